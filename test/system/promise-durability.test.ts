import { createPromise, RelayConnection, systemPorts } from "ants-agent";
import { expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { RawAuthor } from "../support/raw-author.js";
import { NO_RATES, RelayProcess } from "../support/relay-process.js";

/** Files of the relay's process may not grow beyond this (bash counts in KiB): its disk is full soon. */
const FULL_SOON = ["bash", "-c", 'ulimit -f 700; exec "$@"', "bash"];

it("a relay that cannot store a promise does not give it", async () => {
  const author = new RawAuthor();
  const { did, seed } = author;
  await using relay = await RelayProcess.start({ data: temporaryFolder(), flags: NO_RATES, under: FULL_SOON });
  await using connection = new RelayConnection(relay.url, systemPorts);
  await connection.opened();
  const promise = (epoch: number) =>
    connection.promise([
      createPromise({
        did: did as Parameters<typeof createPromise>[0]["did"],
        epoch,
        stream: relay.stream,
        instance: "00000000000000ab",
        timeMs: 1,
        takeover: true,
        seed,
      }),
    ]);
  expect(await connection.publish([author.genesis, author.events[0]!.line], { epoch: 1 })).toMatchObject({ t: "ack" });
  let answer = await connection.publish([author.write(1)[0]!.line], { epoch: 1 });
  while (answer.t === "ack") {
    const [event] = author.write(1, { text: "x".repeat(30_000) });
    answer = await connection.publish([event!.line], { epoch: 1 });
  }
  expect(answer).toMatchObject({ code: "storage-failed" });
  expect((await promise(2)).message).toMatchObject({ t: "refused", code: "storage-failed" });
});
