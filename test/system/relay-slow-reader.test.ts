import { expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { FramePublisher } from "../support/frame-publisher.js";
import { GatedReader } from "../support/gated-reader.js";
import { MemoryWatch } from "../support/process-stats.js";
import { NO_RATES, RelayProcess } from "../support/relay-process.js";

const ENTRIES = 100_000;
/** The reader takes a message each time that so many more entries were published: it falls behind from the start. */
const ENTRIES_PER_MESSAGE = 5_000;
const MIB = 2 ** 20;
/** What a reader may cost in memory: its read-ahead is 0.5 MiB, the rest is the noise of two processes' heaps. */
const MAX_COST_BYTES = 48 * MIB;

/** The most memory that a relay has while so many entries pass; `meanwhile` is called after each frame. */
async function memoryOf(
  relay: RelayProcess,
  publisher: FramePublisher,
  meanwhile: () => Promise<void> | void,
): Promise<number> {
  using memory = new MemoryWatch(relay.child.pid!);
  while (publisher.position < ENTRIES) {
    await publisher.publish();
    await meanwhile();
  }
  memory.look();
  return memory.mostBytes;
}

it(`a reader far behind while ${ENTRIES} entries pass gets all of them, in order, once, and costs the relay nothing (N4)`, async () => {
  let aloneBytes: number;
  {
    await using relay = await RelayProcess.start({ data: temporaryFolder(), flags: NO_RATES });
    await using publisher = await FramePublisher.start(relay.url);
    aloneBytes = await memoryOf(relay, publisher, () => undefined);
  }
  await using relay = await RelayProcess.start({ data: temporaryFolder(), flags: NO_RATES });
  await using publisher = await FramePublisher.start(relay.url);
  await using reader = await GatedReader.start(relay.url);
  let furthestBehind = 0;
  const withReaderBytes = await memoryOf(relay, publisher, async () => {
    furthestBehind = Math.max(furthestBehind, publisher.position - reader.ids.length);
    if (publisher.position >= (reader.messages + 1) * ENTRIES_PER_MESSAGE) await reader.take();
  });
  const { messages } = reader;
  while (reader.ids.length < publisher.position) await reader.take();
  const ids = publisher.author.events.map(({ id }) => id);
  // Position 1 is the genesis.
  expect(reader.ids.length).toBe(ids.length + 1);
  expect(reader.ids.slice(1).every((id, i) => id === ids[i])).toBe(true);
  expect(furthestBehind).toBeGreaterThan(0.9 * ENTRIES);
  console.log(
    `${messages} messages taken while ${publisher.position} entries passed, at most ${furthestBehind} behind; ` +
      `the relay had ${inMib(withReaderBytes)} MiB, without a reader ${inMib(aloneBytes)} MiB`,
  );
  expect(withReaderBytes - aloneBytes).toBeLessThanOrEqual(MAX_COST_BYTES);
});

function inMib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
