import { expect, test } from "vitest";
import { generateSeed, publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { rotateIdentity } from "../../keys/identity/create.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { type DormantMark, dormantMark, encodeDormantMark, requireWakeable } from "../../src/agent/dormant.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { backupHome } from "../support/backup-home.js";

const head = (seq: number) => ({ epoch: 1, seq, id: "a".repeat(64) });
const UNSAID = { isVouchedFor: false, onChain: () => true };

test("a restored home keeps its owner's word for the key that signed its archive, which counts up to the rotate's anchor", async () => {
  const { home, vault, recoverySeed } = await backupHome();
  const { identity } = home;
  const signer = encodeMultikey(publicKeyFromSeed(vault.signSeed));
  const rotate = rotateIdentity({
    parent: identity.newest!,
    revealSeeds: [recoverySeed],
    newSignSeeds: [generateSeed()],
    nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
    anchor: head(5),
    timeMs: Date.now(),
  });
  const kept = async (more: Partial<DormantMark>) => {
    const mark = { restoredMs: 1, archive: "a", tier: "hot", madeMs: 1, signer, ...more };
    await nodeDisk.replace(home.layout.dormant, encodeDormantMark(mark));
    return (await dormantMark(nodeDisk, home))!;
  };
  const wakes =
    (mark: DormantMark, log: IdentityLog, check = UNSAID) =>
    () =>
      requireWakeable(mark, log, check);
  const refused = expect.objectContaining({ code: "backup-signer-replaced" });
  const after = IdentityLog.learnt(identity.did, [...identity.operations(), rotate.parsed]);

  const good = await kept({ head: { ...head(5), timeMs: 1 } });
  expect(wakes(good, identity)).not.toThrow();
  expect(wakes(good, after)).toThrow(refused);
  expect(wakes(good, after, { ...UNSAID, isVouchedFor: true })).not.toThrow();
  const vouched = await kept({ head: { ...head(5), timeMs: 1 }, isVouchedFor: true });
  expect(wakes(vouched, after)).not.toThrow();
  expect(wakes(vouched, after, { ...UNSAID, onChain: () => false })).toThrow(refused);
  expect(wakes(await kept({ head: { ...head(6), timeMs: 1 }, isVouchedFor: true }), after)).toThrow(refused);
});
