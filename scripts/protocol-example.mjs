// Writes the worked example of docs/protocol.md with what the code computes; with --check it only says whether the page
// is current. The page has the text, this file the values: each "<!-- value: name -->" is followed by its block.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The source, bundled for the browser, so that nothing has to be built before. */
const bundle = await build({
  stdin: {
    contents: `
      export { concat, hex, utf8 } from "./keys/bytes.js";
      export { canonicalize } from "./keys/canonical.js";
      export { publicKeyFromSeed } from "./keys/ed25519/index.js";
      export { createIdentity } from "./keys/identity/create.js";
      export { MerkleTree } from "./keys/merkle/index.js";
      export { encodeMultikey } from "./keys/multikey.js";
      export * from "./src/index.js";`,
    resolveDir: at("."),
    loader: "ts",
  },
  alias: {
    "#errors": at("src/protocol/error-table/web.ts"),
    "#platform": at("keys/platform/web.ts"),
    "#socket": at("src/client/socket/web.ts"),
  },
  bundle: true,
  format: "esm",
  write: false,
});
const source = Buffer.from(bundle.outputFiles[0].contents).toString("base64");
const ants = await import(`data:text/javascript;base64,${source}`);
const { concat, hex, utf8 } = ants;

const filled = (byte) => new Uint8Array(32).fill(byte);
const seed = filled(1);
const relaySeed = filled(4);
const timeMs = 1_790_000_000_000;
const url = "wss://relay.example";
const stream = "0123456789abcdef";
const instance = "00112233aabbccdd";

const publicKey = ants.publicKeyFromSeed(seed);
const recoveryKey = ants.publicKeyFromSeed(filled(2));
const genesis = ants.createIdentity({
  signSeeds: [seed],
  agree: filled(3),
  recoveryKeys: [recoveryKey],
  escrow: filled(3),
  relays: [{ url, stream }],
  timeMs,
});
const { did } = genesis;
const promise = ants.createPromise({ did, epoch: 1, stream, instance, timeMs, seed });
const events = ants.createBatch({
  did,
  seed,
  epoch: 1,
  drafts: [
    { kind: "ants.claim", body: { identity: genesis.hash, instance, label: "laptop" }, timeMs },
    { kind: "note", body: { text: "hello" }, tags: ["greeting"], timeMs },
  ],
});
const [, note] = events;
const { id, sig: _sig, proof: _proof, body, ...header } = note.event;
const ids = events.map((event) => Uint8Array.from(Buffer.from(event.id, "hex")));
const batchRoot = ants.MerkleTree.of(ids).root();
const entryIds = [genesis.hash, ants.parsePromise(utf8(promise)).id, ...events.map((event) => event.id)];
const logTree = ants.MerkleTree.of(entryIds.map((each) => Uint8Array.from(Buffer.from(each, "hex"))));
const root = logTree.root();
const challenge = ants.createChallenge({ bytes: (length) => new Uint8Array(length).fill(5) });

const values = {
  key: `seed        ${hex(seed)}
public key  ${hex(publicKey)}
multikey    ${ants.encodeMultikey(publicKey)}`,
  genesis: genesis.line,
  did: `hash  ${genesis.hash}
did   ${did}`,
  promise,
  claim: events[0].line,
  note: note.line,
  header: ants.canonicalize(header),
  id: `body      ${ants.canonicalize(body)}
bodyHash  ${ants.bodyHash(body)}
id        ${id}`,
  batch: `leaf 0    ${hex(ants.MerkleTree.of([ids[0]]).root())}
leaf 1    ${hex(ants.MerkleTree.of([ids[1]]).root())}
root      ${hex(batchRoot)}
signed    ${hex(concat(utf8(`ants/batch/1\n2\n`), batchRoot))}`,
  pruned: ants.pruneEvent(note.line),
  root: `root after 4 entries  ${hex(root)}
cursor                ${ants.formatCursor({ stream, position: 4, root })}`,
  checkpoint: ants
    .signCheckpoint({ origin: ants.checkpointOrigin(url, stream), size: 4, root }, relaySeed)
    .replace(/\n$/, ""),
  relayKey: ants.encodeMultikey(ants.publicKeyFromSeed(relaySeed)),
  auth: ants.createAuth({ did, instance, relay: url, challenge, timeMs, seed }),
};

const target = at("docs/protocol.md");
const page = readFileSync(target, "utf8");
const written = new Set();
const current = page.replace(/(<!-- value: (\w+) -->\n```\w*\n).*?```/gs, (_block, start, name) => {
  if (values[name] === undefined) throw new Error(`docs/protocol.md asks for an unknown value: ${name}`);
  written.add(name);
  return `${start}${values[name]}\n\`\`\``;
});
const unused = Object.keys(values).filter((name) => !written.has(name));
if (unused.length > 0) throw new Error(`docs/protocol.md doesn't show ${unused.join(", ")}`);
if (!process.argv.includes("--check")) writeFileSync(target, current);
else if (current !== page) {
  process.stderr.write(
    "error: the example in docs/protocol.md is not what the code computes\nhint: node scripts/protocol-example.mjs\n",
  );
  process.exit(1);
}
