// relay-storage-writer.mjs FOLDER [FRAMES]: the storage of a relay under load from four authors. Prints
//   open POSITION     what the log held when it was opened
//   send COUNT        before so many entries are published
//   ack POSITION ID   once an entry is on disk and visible
//   failed CODE       when writing ended
//   read COUNT        how many entries a reader then still gets
// and ends after so many frames of each author, or never.

import { generateSeed, publicKeyFromSeed } from "../../../dist/keys/ed25519/index.js";
import { createIdentity } from "../../../dist/keys/identity/create.js";
import { createNodeDisk } from "../../../dist/keys/node/disk.js";
import { systemClock, systemRandom } from "../../../dist/keys/ports.js";
import { DataFolder } from "../../../dist/relay/data-folder.js";
import { Ledger } from "../../../dist/relay/ledger.js";
import { nodeLogFiles } from "../../../dist/relay/log/log-files.js";
import { FrameVerifier } from "../../../dist/relay/verify/frame-verifier.js";
import { createBatch } from "../../../dist/src/protocol/batch.js";
import { DEFAULT_LIMITS } from "../../../dist/src/protocol/limits.js";

const AUTHORS = 4;
const SEGMENT_BYTES = 60_000;

const [path, frames = "1000000000"] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);
const verifier = new FrameVerifier(DEFAULT_LIMITS);

const folder = await DataFolder.open({
  folder: path,
  disk: createNodeDisk({ label: "relay-storage-writer" }),
  files: nodeLogFiles,
  random: systemRandom,
  clock: systemClock,
  origin: (stream) => `relay.example/${stream}`,
  segmentBytes: SEGMENT_BYTES,
});
const ledger = await Ledger.open(folder, systemClock);
say(`open ${ledger.position}`);

async function publish(lines) {
  const frame = verifier.verify(Buffer.from(lines.map((line) => `${line}\n`).join("")));
  say(`send ${lines.length}`);
  const reply = await ledger.publish(frame, {});
  if (reply.refused !== undefined) throw reply.refused;
  for (const [i, position] of reply.at.entries()) say(`ack ${position} ${frame.entries[i].id}`);
}

async function author(number) {
  const seed = generateSeed();
  const spare = publicKeyFromSeed(generateSeed());
  const timeMs = Date.now();
  const keys = { signSeeds: [seed], agree: spare, recoveryKeys: [spare], escrow: spare };
  const { did, hash: identity, line } = createIdentity({ ...keys, relays: [], timeMs });
  const body = { instance: "00".repeat(8), label: `author ${number}`, identity };
  const claim = createBatch({ did, seed, epoch: 1, drafts: [{ kind: "ants.claim", body, timeMs }] });
  await publish([line, claim[0].line]);
  let after = claim[0].event;
  for (let frame = 0; frame < Number(frames); frame++) {
    const count = 1 + ((frame * 7 + number) % 16);
    const drafts = Array.from({ length: count }, (_, i) => ({ kind: "note", body: { frame, i }, timeMs }));
    const batch = createBatch({ did, seed, epoch: 1, after, drafts });
    after = batch.at(-1).event;
    await publish(batch.map((event) => event.line));
    if (frame % 8 === number) await folder.signHead(folder.tree.size, folder.tree.root());
  }
}

try {
  await Promise.all(Array.from({ length: AUTHORS }, (_, number) => author(number)));
  await ledger.close();
} catch (error) {
  say(`failed ${error.code}`);
  let count = 0;
  for await (const slice of folder.log.slices(1)) count += slice.count;
  say(`read ${count}`);
  process.exit(1);
}
