import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import sodium from "libsodium-wrappers-sumo";
import { describe, expect, test } from "vitest";
import { base64url, concat, fromHex, hex } from "../../keys/bytes.js";
import { ed25519Backends, verifyStrict } from "../../keys/ed25519/index.js";
import { decodeMultikey, didKey, encodeMultikey, parseDidKey } from "../../keys/multikey.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { describeVectors } from "./shared-vectors.js";

type Result = "valid" | "invalid" | "acceptable";

interface VectorFile<Group> {
  numberOfTests: number;
  testGroups: Group[];
}

interface Ed25519Group {
  publicKey: { pk: string };
  tests: { tcId: number; comment: string; msg: string; sig: string; result: Result }[];
}

interface X25519Group {
  tests: { tcId: number; flags: string[]; public: string; private: string; shared: string; result: Result }[];
}

interface AeadGroup {
  tests: {
    tcId: number;
    key: string;
    iv: string;
    aad: string;
    msg: string;
    ct: string;
    tag: string;
    result: Result;
  }[];
}

interface HkdfGroup {
  tests: { tcId: number; ikm: string; salt: string; info: string; size: number; okm: string; result: Result }[];
}

await sodium.ready;

describeVectors("Wycheproof", "wycheproof", (origin) => {
  describe("Ed25519", () => {
    const file = origin.json<VectorFile<Ed25519Group>>("ed25519_test.json");
    const cases = file.testGroups.flatMap(({ publicKey, tests }) =>
      tests.map((each) => ({
        id: each.tcId,
        publicKey: fromHex(publicKey.pk),
        message: fromHex(each.msg),
        signature: fromHex(each.sig),
        isValid: each.result === "valid",
      })),
    );

    test.each([undefined, ...ed25519Backends()])("backend %s accepts 88 and refuses 63", (backend) => {
      const wrong = cases.filter(
        ({ signature, message, publicKey, isValid }) =>
          verifyStrict(signature, message, publicKey, backend) !== isValid,
      );
      expect(wrong.map(({ id }) => id)).toEqual([]);
      expect(cases.filter(({ isValid }) => isValid)).toHaveLength(88);
      expect(cases.filter(({ isValid }) => !isValid)).toHaveLength(63);
      expect(file.numberOfTests).toBe(151);
    });

    test("the same with keys that went through Multikey and did:key", () => {
      for (const { id, signature, message, publicKey, isValid } of cases) {
        const { publicKey: fromMultikey } = decodeMultikey(encodeMultikey(publicKey));
        const { publicKey: fromDidKey } = parseDidKey(didKey(publicKey));
        expect(verifyStrict(signature, message, fromMultikey), `case ${id}`).toBe(isValid);
        expect(verifyStrict(signature, message, fromDidKey), `case ${id}`).toBe(isValid);
      }
    });
  });

  describe("X25519", () => {
    const file = origin.json<VectorFile<X25519Group>>("x25519_test.json");
    const cases = file.testGroups.flatMap(({ tests }) => tests);

    test("libsodium agrees on every secret, and refuses those of low order, which are all zero", () => {
      expect(cases).toHaveLength(518);
      for (const { tcId, shared, ...keys } of cases) {
        const agree = () => sodium.crypto_scalarmult(fromHex(keys.private), fromHex(keys.public));
        if (/^0+$/.test(shared)) expect(agree, `case ${tcId}`).toThrow();
        else expect(hex(agree()), `case ${tcId}`).toBe(shared);
      }
    });

    test("node:crypto does likewise", () => {
      for (const { tcId, shared, ...keys } of cases) {
        const agree = () => nodeX25519(fromHex(keys.private), fromHex(keys.public));
        if (/^0+$/.test(shared)) expect(agree, `case ${tcId}`).toThrow();
        else expect(hex(agree()), `case ${tcId}`).toBe(shared);
      }
    });

    test("our public key of every secret is libsodium's", () => {
      for (const each of cases) {
        const secret = fromHex(each.private);
        expect(hex(x25519PublicKey(secret)), `case ${each.tcId}`).toBe(hex(sodium.crypto_scalarmult_base(secret)));
      }
    });
  });

  describe("XChaCha20-Poly1305", () => {
    const file = origin.json<VectorFile<AeadGroup>>("xchacha20_poly1305_test.json");
    const cases = file.testGroups.flatMap(({ tests }) => tests);

    const ways = {
      "@noble/ciphers": {
        seal: (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, msg: Uint8Array) =>
          xchacha20poly1305(key, iv, aad).encrypt(msg),
        open: (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, box: Uint8Array) =>
          xchacha20poly1305(key, iv, aad).decrypt(box),
      },
      libsodium: {
        seal: (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, msg: Uint8Array) =>
          sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(msg, aad, null, iv, key),
        open: (key: Uint8Array, iv: Uint8Array, aad: Uint8Array, box: Uint8Array) =>
          sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, box, aad, iv, key),
      },
    };

    test.each(Object.entries(ways))("%s seals and opens what is valid and opens nothing else", (_, { seal, open }) => {
      let valid = 0;
      for (const { tcId, result, ...fields } of cases) {
        const [key, iv, aad, msg] = [fields.key, fields.iv, fields.aad, fields.msg].map((text) => fromHex(text));
        const box = concat(fromHex(fields.ct), fromHex(fields.tag));
        if (result === "valid") {
          valid++;
          expect(hex(seal(key!, iv!, aad!, msg!)), `case ${tcId}`).toBe(hex(box));
          expect(hex(open(key!, iv!, aad!, box)), `case ${tcId}`).toBe(fields.msg);
        } else {
          expect(() => open(key!, iv!, aad!, box), `case ${tcId}`).toThrow();
        }
      }
      expect([valid, cases.length - valid]).toEqual([246, 69]);
    });
  });

  describe("HKDF-SHA-256", () => {
    const file = origin.json<VectorFile<HkdfGroup>>("hkdf_sha256_test.json");
    const cases = file.testGroups.flatMap(({ tests }) => tests);

    test("@noble/hashes derives what is valid and refuses more than 255 blocks", () => {
      expect(cases).toHaveLength(86);
      for (const { tcId, ikm, salt, info, size, okm, result } of cases) {
        const derive = () => hkdf(sha256, fromHex(ikm), fromHex(salt), fromHex(info), size);
        if (result === "valid") expect(hex(derive()), `case ${tcId}`).toBe(okm);
        else expect(derive, `case ${tcId}`).toThrow();
      }
    });
  });
});

function nodeX25519(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const jwk = { kty: "OKP", crv: "X25519" };
  const x = base64url(x25519PublicKey(secret));
  return diffieHellman({
    privateKey: createPrivateKey({ key: { ...jwk, x, d: base64url(secret) }, format: "jwk" }),
    publicKey: createPublicKey({ key: { ...jwk, x: base64url(publicKey) }, format: "jwk" }),
  });
}
