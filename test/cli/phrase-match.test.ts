import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { createIdentity, rotateIdentity } from "../../keys/identity/create.js";
import { parseOperation } from "../../keys/identity/operation.js";
import { phraseKeys } from "../../keys/phrase.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { assertPhraseOf, phraseMatch } from "../../src/cli/phrase-match.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { codeOf } from "../keys/code-of.js";

const bytes = (fill: number) => new Uint8Array(32).fill(fill);
const [first, second, stranger] = [bytes(11), bytes(12), bytes(13)] as const;

const genesis = createIdentity({
  signSeeds: [bytes(1)],
  agree: x25519PublicKey(bytes(2)),
  recoveryKeys: [phraseKeys(first).recoveryKey(0).publicKey],
  escrow: phraseKeys(first).escrow.publicKey,
  relays: [{ url: "wss://a.example", stream: "0".repeat(16) }],
  faults: 0,
  timeMs: 1,
});

/** The identity after a rotate to the phrase whose key number `index` it commits to. */
function rotated(to: Uint8Array, index: number): IdentityLog {
  const rotate = rotateIdentity({
    parent: parseOperation(utf8(genesis.line)),
    newSignSeeds: [bytes(3)],
    revealSeeds: [phraseKeys(first).recoveryKey(0).seed],
    nextRecoveryKeys: [phraseKeys(to).recoveryKey(index).publicKey],
    changes: { escrow: phraseKeys(to).escrow.publicKey },
    timeMs: 2,
  });
  return new IdentityLog(genesis.did, [utf8(genesis.line), utf8(rotate.line)]);
}

describe("what a phrase is to an identity", () => {
  const log = new IdentityLog(genesis.did, [utf8(genesis.line)]);

  it("rules it with the key that it commits to, or is another's", () => {
    expect(phraseMatch(first, log)).toEqual({ status: "rules", key: 0, finds: true });
    expect(phraseMatch(stranger, log)).toEqual({ status: "other" });
    expect(codeOf(() => assertPhraseOf(stranger, log))).toBe("phrase-other-agent");
    expect(codeOf(() => assertPhraseOf(first, log))).toBe("nothing thrown");
  });

  it("rules it with its next key after a rotate", () => {
    expect(phraseMatch(first, rotated(first, 1))).toEqual({ status: "rules", key: 1, finds: true });
  });

  it("ruled it until another phrase took over", () => {
    const after = rotated(second, 0);
    expect(phraseMatch(second, after)).toEqual({ status: "rules", key: 0, finds: true });
    expect(phraseMatch(first, after)).toEqual({ status: "former", until: 1 });
    expect(codeOf(() => assertPhraseOf(first, after))).toBe("phrase-other-agent");
  });

  it("is nothing to an identity that is not known", () => {
    expect(phraseMatch(first, new IdentityLog(genesis.did))).toEqual({ status: "other" });
  });
});
