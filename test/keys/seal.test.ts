import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, fromUtf8, hex, utf8 } from "../../keys/bytes.js";
import { openSealed, SEAL_OVERHEAD_BYTES, sealTo } from "../../keys/seal.js";
import { x25519PublicKey } from "../../keys/x25519.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** RFC 9180, appendix A.2.1 and A.2.1.1: base mode, sequence number 0. */
const RFC_9180_A2 = {
  ephemeral: "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600",
  secret: "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
  publicKey: "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
  encapsulated: "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
  info: "Ode on a Grecian Urn",
  aad: "Count-0",
  plain: "Beauty is truth, truth beauty",
  ciphertext: "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
};

describe("HPKE as RFC 9180 has it", () => {
  const { encapsulated, ciphertext, info, aad } = RFC_9180_A2;
  const binding = { info, aad: utf8(aad) };

  test("seals to the bytes of its appendix A.2.1", () => {
    const random = { bytes: () => fromHex(RFC_9180_A2.ephemeral) };
    const sealed = sealTo(fromHex(RFC_9180_A2.publicKey), utf8(RFC_9180_A2.plain), binding, random);
    expect(hex(sealed)).toBe(encapsulated + ciphertext);
    expect(sealed.length).toBe(RFC_9180_A2.plain.length + SEAL_OVERHEAD_BYTES);
  });

  test("opens the bytes of its appendix A.2.1", () => {
    const opened = openSealed(fromHex(RFC_9180_A2.secret), fromHex(encapsulated + ciphertext), binding);
    expect(fromUtf8(opened)).toBe(RFC_9180_A2.plain);
  });
});

test("what is sealed to a key opens with it, bound to the same, and with nothing else", () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), fc.uint8Array({ maxLength: 300 }), fc.nat(), (secret, other, plain, at) => {
      const binding = { info: "test", aad: utf8("here") };
      const sealed = sealTo(x25519PublicKey(secret), plain, binding);
      expect(hex(openSealed(secret, sealed, binding))).toBe(hex(plain));

      const refused = expect.objectContaining({ code: "sealed-open" });
      expect(() => openSealed(other, sealed, binding)).toThrow(refused);
      expect(() => openSealed(secret, sealed, { info: "test" })).toThrow(refused);
      expect(() => openSealed(secret, sealed, { ...binding, info: "tests" })).toThrow(refused);
      expect(() => openSealed(secret, sealed.subarray(0, at % sealed.length), binding)).toThrow(refused);
      // The last bit of the encapsulated key is the one that RFC 7748 ignores; HPKE hashes it all the same.
      sealed[at % sealed.length]! ^= 1 << (at % 8);
      expect(() => openSealed(secret, sealed, binding)).toThrow(refused);
    }),
    { numRuns: 30 },
  );
});

test.each(["00".repeat(32), `01${"00".repeat(31)}`, "02"])(
  "seals to no key of small order or another length: %s",
  (key) => {
    expect(() => sealTo(fromHex(key), utf8("x"), { info: "test" })).toThrow(
      expect.objectContaining({ code: "seal-key" }),
    );
  },
);

test("opens nothing that a key of small order was encapsulated in", () => {
  expect(() => openSealed(fromHex(RFC_9180_A2.secret), new Uint8Array(64), { info: "test" })).toThrow(
    expect.objectContaining({ code: "sealed-open" }),
  );
});
