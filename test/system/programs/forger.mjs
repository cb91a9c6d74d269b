// forger.mjs RELAY DID SEED TEXT: somebody with a copy of an agent's key, who knows no rules. Reads where the chain
// stands at one relay (its URL), signs the next event in the epoch that is open there, and publishes it as if it held
// the pen. Prints the event's id and its seq.

import { writeSync } from "node:fs";
import { fromHex } from "../../../dist/keys/bytes.js";
import { createBatch } from "../../../dist/src/protocol/batch.js";

const [relay, did, seed, text] = process.argv.slice(2);
const { head } = await (await fetch(`${relay}/agents/${did}/head`)).json();
const [forged] = createBatch({
  did,
  seed: fromHex(seed),
  epoch: head.epoch,
  after: head,
  drafts: [{ kind: "note", body: { text }, timeMs: Date.now() }],
});
const frame = `${JSON.stringify({ t: "publish", ref: 1, epoch: head.epoch })}\n${forged.line}\n`;
const answer = await fetch(`${relay}/entries`, { method: "POST", body: frame });
if (answer.status !== 200) {
  writeSync(2, `${await answer.text()}\n`);
  process.exit(1);
}
writeSync(1, `${forged.id} ${forged.event.seq}\n`);
