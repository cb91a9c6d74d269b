import { describe, expect, test } from "vitest";
import { hex } from "../../keys/bytes.js";
import type { Did } from "../../keys/did.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { systemRandom } from "../../keys/ports.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { openEscrow, type ReadingKeys, sealEscrow, uniteEras } from "../../src/protocol/escrow.js";
import { stateKeyId } from "../../src/protocol/private-body.js";

const did = `did:ants:${"a".repeat(52)}` as Did;
const secret = new Uint8Array(32).fill(9);
const escrowKey = encodeMultikey(x25519PublicKey(secret), "x25519");
const era = (n: number): ReadingKeys => ({
  stateKey: new Uint8Array(32).fill(n),
  agreeSecret: new Uint8Array(32).fill(n + 100),
});
const shown = (eras: readonly ReadingKeys[] | undefined) =>
  eras?.map(({ stateKey, agreeSecret }) => [hex(stateKey), hex(agreeSecret)]);

describe("the escrow of a claim", () => {
  test("opens with the phrase's escrow key, the present era first, and names the state key", () => {
    const escrow = sealEscrow(did, [era(2), era(1)], escrowKey, systemRandom);
    expect(escrow.k).toBe(stateKeyId(era(2).stateKey));
    expect(shown(openEscrow(did, escrow, secret))).toEqual(shown([era(2), era(1)]));
    expect(escrow.sealed).not.toContain(Buffer.from(era(2).stateKey).toString("base64url").slice(0, 40));
  });

  test("opens with no other key, for no other agent, under no other name, and not altered", () => {
    const escrow = sealEscrow(did, [era(1)], escrowKey, systemRandom);
    expect(openEscrow(did, escrow, new Uint8Array(32).fill(8))).toBeUndefined();
    expect(openEscrow(`did:ants:${"b".repeat(52)}` as Did, escrow, secret)).toBeUndefined();
    expect(openEscrow(did, { ...escrow, k: "AAAAAAAAAAA" }, secret)).toBeUndefined();
    expect(openEscrow(did, { ...escrow, sealed: escrow.sealed.slice(0, -2) }, secret)).toBeUndefined();
  });

  test.each([undefined, "x", 3, [], {}, { k: 1, sealed: "AA" }, { k: "AA", sealed: "!" }])(
    "is not there in a claim that says %j: a thief may write what he likes",
    (escrow) => {
      expect(openEscrow(did, escrow as never, secret)).toBeUndefined();
    },
  );

  test("under a key that it does not hold opens nothing", () => {
    const liar = sealEscrow(did, [era(1)], escrowKey, systemRandom);
    const other = sealEscrow(did, [era(2)], escrowKey, systemRandom);
    expect(openEscrow(did, { k: other.k, sealed: liar.sealed }, secret)).toBeUndefined();
  });
});

test("eras are united without repetition, in order", () => {
  expect(shown(uniteEras([era(3), era(2)], [era(2), era(1)]))).toEqual(shown([era(3), era(2), era(1)]));
});
