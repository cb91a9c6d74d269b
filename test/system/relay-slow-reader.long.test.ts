import { setInterval } from "node:timers/promises";
import { expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { FramePublisher } from "../support/frame-publisher.js";
import { GatedReader } from "../support/gated-reader.js";
import { MemoryWatch, residentBytes } from "../support/process-stats.js";
import { NO_RATES, RelayProcess } from "../support/relay-process.js";

const ENTRIES = 100_000;
const MIB = 2 ** 20;

it(`a reader that takes a message a second while ${ENTRIES} entries pass gets all of them, in order, once (N4)`, async () => {
  await using relay = await RelayProcess.start({ data: temporaryFolder(), flags: NO_RATES });
  const pid = relay.child.pid!;
  await using publisher = await FramePublisher.start(relay.url);
  await using reader = await GatedReader.start(relay.url);
  const baselineBytes = residentBytes(pid);
  using memory = new MemoryWatch(pid);
  let furthestBehind = 0;
  for await (const _ of setInterval(1_000)) {
    // Four frames a second: the reader falls behind by three of them each time, and catches up when they end.
    for (let frame = 0; frame < 4 && publisher.position < ENTRIES; frame++) await publisher.publish();
    await reader.take();
    furthestBehind = Math.max(furthestBehind, publisher.position - reader.ids.length);
    if (publisher.position >= ENTRIES && reader.ids.length === publisher.position) break;
  }
  const ids = publisher.author.events.map(({ id }) => id);
  expect(reader.ids.slice(1)).toEqual(ids);
  console.log(
    `${reader.messages} messages, one a second, at most ${furthestBehind} entries behind; ` +
      `memory +${((memory.mostBytes - baselineBytes) / MIB).toFixed(0)} MiB`,
  );
  expect(memory.mostBytes - baselineBytes).toBeLessThanOrEqual(128 * MIB);
});
