import { expect, test } from "vitest";
import { sha256Hex } from "#platform";
import { utf8 } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { commitmentOf, recoveryCommitment } from "../../../keys/identity/commitment.js";
import { createIdentity, deactivateIdentity, rotateIdentity, updateIdentity } from "../../../keys/identity/create.js";
import { parseOperation } from "../../../keys/identity/operation.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { codeOf } from "../code-of.js";
import { anchor, deactivate, genesis, keyOf, relay, rotate, secret, update } from "./agent.js";

const recovery = (index: number) => publicKeyFromSeed(secret(`recovery ${index}`));

test("a commitment is the hash of tag, key and sign keys", () => {
  const signKeys = [keyOf("hot 0"), keyOf("hot 1")];
  const text = `ants/recovery/1\n${keyOf("recovery 0")}\n["${signKeys.join('","')}"]`;
  expect(recoveryCommitment(recovery(0), signKeys)).toBe(sha256Hex(utf8(text)));
  expect(commitmentOf(keyOf("recovery 0"), signKeys)).toBe(sha256Hex(utf8(text)));
});

test("a genesis commits to its recovery keys under its sign keys", () => {
  const { op } = genesis({ recoveryKeys: [recovery(0), recovery(1)], threshold: 2 });
  expect(op.recovery).toEqual({
    commit: [recovery(0), recovery(1)].map((key) => recoveryCommitment(key, [keyOf("hot 0")])),
    threshold: 2,
  });
});

test("the line is what is hashed, signed and sent; the same input makes the same line", () => {
  const input = {
    signSeeds: [secret("hot 0")],
    agree: secret("agree"),
    recoveryKeys: [recovery(0)],
    escrow: secret("escrow"),
    relays: [relay("a")],
    timeMs: 1,
  };
  const made = createIdentity(input);
  expect(createIdentity(input).line).toBe(made.line);
  expect(parseOperation(utf8(made.line))).toEqual(made.parsed);
  expect(made).toMatchObject({ did: made.parsed.did, hash: made.parsed.hash, operation: made.parsed.op });
  // The format is for ever: a change of this DID is a change of the format.
  expect(made.did).toMatchInlineSnapshot(`"did:ants:qlrn4xqukizv6p2awp43pw3vdpi2cuaodsu5fg3dtfhb2dukix3q"`);
});

test("relays are named in their one spelling", () => {
  const { op } = genesis({ relays: [{ ...relay("a"), url: "WSS://A.example:443/" }] });
  expect(op.relays).toEqual([relay("a")]);
  expect(codeOf(() => genesis({ relays: [{ ...relay("a"), url: "a.example" }] }))).toBe("relay-url");
});

test("an update changes what it names and copies the rest", () => {
  const born = genesis({ handles: ["scout.example.com"] });
  const next = update(born, { changes: { relays: [relay("d")], agree: secret("agree 2") } });
  expect(next.op).toMatchObject({
    n: 1,
    prev: born.hash,
    did: born.did,
    relays: [relay("d")],
    handles: ["scout.example.com"],
    recovery: born.op.recovery,
    escrow: born.op.escrow,
    keys: { sign: born.op.keys.sign, agree: encodeMultikey(secret("agree 2"), "x25519") },
  });
});

test("a parent may be given as a line", () => {
  const born = genesis();
  const make = (parent: Uint8Array | string | typeof born) =>
    updateIdentity({ parent, changes: {}, signSeed: secret("hot 0"), timeMs: 5 }).line;
  expect(make(born.line)).toBe(make(born));
  expect(make(new TextDecoder().decode(born.line))).toBe(make(born));
});

test("a rotate reveals, names fresh keys and commits anew", () => {
  const born = genesis();
  const next = rotate(born, 0, {
    anchor: anchor(2, 7),
    changes: { escrow: secret("escrow 2"), threshold: 1, handles: ["scout.example.com"] },
  });
  expect(next.op).toMatchObject({
    op: "rotate",
    reveal: [keyOf("recovery 0")],
    anchor: anchor(2, 7),
    keys: { sign: [keyOf("hot 1")] },
    recovery: { commit: [recoveryCommitment(recovery(1), [keyOf("hot 1")])] },
    escrow: encodeMultikey(secret("escrow 2"), "x25519"),
    handles: ["scout.example.com"],
  });
});

test("a deactivate leaves no key and no commitment, and the relays as they were", () => {
  const end = deactivate(genesis(), 0);
  expect(end.op).toMatchObject({
    keys: { sign: [] },
    recovery: { commit: [], threshold: 0 },
    relays: genesis().op.relays,
  });
  expect(end.op.anchor).toBeUndefined();
});

test("wrong keys are refused before anything is sent", () => {
  const born = genesis();
  const ended = deactivate(born, 0);
  const wrong = { parent: born, revealSeeds: [secret("recovery 1")], timeMs: 1 };
  const next = { newSignSeeds: [secret("hot 1")], nextRecoveryKeys: [recovery(1)] };
  expect(codeOf(() => update(born, { by: "stranger" }))).toBe("identity-signers");
  expect(codeOf(() => deactivateIdentity(wrong))).toBe("identity-unauthorised");
  expect(codeOf(() => rotateIdentity({ ...wrong, ...next }))).toBe("identity-unauthorised");
  expect(codeOf(() => rotateIdentity({ ...wrong, ...next, revealSeeds: [] }))).toBe("identity-unauthorised");
  expect(codeOf(() => update(ended, { by: "hot 0" }))).toBe("identity-ended");
});
