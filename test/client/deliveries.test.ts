import { nodeDisk } from "ants-agent/keys/node";
import { expect, it } from "vitest";
import { systemClock } from "../../keys/ports.js";
import { Deliveries, type DeliveriesOptions } from "../../src/client/deliveries.js";
import { DeliveryBook } from "../../src/client/delivery-book.js";
import { systemPorts } from "../../src/client/ports.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

const LETTERS = 3_000;
const AUTHOR = `did:ants:${"a".repeat(52)}` as const;
const RECIPIENT = `did:ants:${"b".repeat(51)}a` as const;
/** Port 9 (discard) of this machine: nobody listens there. */
const DEAD = "ws://127.0.0.1:9";

const idOf = (seq: number) => seq.toString(16).padStart(64, "0");

/** The notes of an earlier run: thousands of messages to somebody whose relay is gone. */
async function bookOf(folder: string, now: number): Promise<DeliveryBook> {
  const open = Array.from({ length: LETTERS }, (_, i) => {
    return { id: idOf(i + 1), seq: i + 1, time: now, to: [RECIPIENT], have: [] };
  });
  const upTo = { epoch: 1, seq: LETTERS, id: idOf(LETTERS) };
  const path = `${folder}/deliveries.json`;
  await nodeDisk.replace(path, Buffer.from(JSON.stringify({ v: 1, upTo, open, written: [RECIPIENT] })));
  return DeliveryBook.open(nodeDisk, path, systemClock);
}

it("looks at each of thousands of open messages a few times, not at all of them for each", async () => {
  let looks = 0;
  // Whether a message is done with depends on its age, and nothing else here asks for the time.
  const clock = {
    ...systemClock,
    nowMs: () => {
      looks += 1;
      return systemClock.nowMs();
    },
  };
  const book = await bookOf(temporaryFolder(), systemClock.nowMs());
  // All of the chain is on disk and committed to no relay of the agent's own.
  const parts = {
    chain: { tree: { find: (id: string, seq: number) => ({ epoch: 1, seq, id, onChain: true }) } },
    pen: { lanes: [], committedSeq: -1, listen: () => () => {} },
    resolver: { resolve: async () => ({ relays: [{ url: DEAD, stream: "0123456789abcdef" }] }) },
  };
  const deliveries = new Deliveries({
    ...parts,
    did: AUTHOR,
    book,
    ports: { ...systemPorts, clock },
    mayDial: () => true,
  } as unknown as DeliveriesOptions);
  await expect.poll(() => deliveries.results(idOf(LETTERS))).toMatchObject([{ did: RECIPIENT, delivered: false }]);
  await expect.poll(() => Object.keys(deliveries.results(idOf(LETTERS))![0]!.relays)).toEqual([DEAD]);
  await deliveries.close();
  expect(looks).toBeLessThan(10 * LETTERS);
});
