import { nodeDisk } from "ants-agent/keys/node";
import { expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { generateSeed, publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { createIdentity, updateIdentity } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Disk } from "../../keys/ports.js";
import { AgentHome } from "../../src/agent/home.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

/** A disk that takes its time: what is appended is there in two halves, as a reader beside a write may see it. */
const slowDisk: Disk = {
  ...nodeDisk,
  async append(path, bytes) {
    const half = bytes.length >> 1;
    await nodeDisk.append(path, bytes.subarray(0, half));
    await nodeDisk.append(path, bytes.subarray(half));
  },
};

it("keeps what several relays teach at once, each operation whole", async () => {
  const seed = generateSeed();
  const key = publicKeyFromSeed(generateSeed());
  const { did, line, parsed } = createIdentity({
    signSeeds: [seed],
    agree: key,
    recoveryKeys: [key],
    escrow: key,
    relays: [{ url: "wss://relay.example", stream: "0123456789abcdef" }],
    timeMs: 1,
  });
  const home = await AgentHome.create(
    slowDisk,
    `${temporaryFolder()}/home`,
    { did, label: "scout", founded: true },
    utf8(line),
  );
  const learnt: ParsedOperation[] = [];
  for (let n = 0; n < 3; n++) {
    const changes = { handles: [`h${n}.example`] };
    learnt.push(updateIdentity({ parent: learnt.at(-1) ?? parsed, changes, signSeed: seed, timeMs: 2 + n }).parsed);
  }
  await Promise.all(learnt.map((operation) => home.keepOperations([operation])));
  const again = await AgentHome.open(slowDisk, home.path);
  expect(again.identity.operations().map(({ hash }) => hash)).toEqual([parsed, ...learnt].map(({ hash }) => hash));
});
