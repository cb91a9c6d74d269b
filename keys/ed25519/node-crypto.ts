import * as crypto from "node:crypto";
import { base64url, fromBase64url } from "../bytes.js";
import { KEY_OBJECT_CACHE_ENTRIES } from "../limits.js";
import type { Ed25519Backend } from "./backend.js";

/** Everything of a PKCS#8 Ed25519 private key before its 32-byte seed (RFC 8410 section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * Public keys as OpenSSL holds them, oldest import first; undefined for bytes that OpenSSL does not take for a key. An
 * import by JWK takes 5 µs, by DER 66 µs (Node 20), a verification 60 µs: without the cache every one would pay it.
 */
const imported = new Map<string, crypto.KeyObject | undefined>();

/** OpenSSL through node:crypto: about 15,000 verifications a second on one core. */
export const nodeCrypto: Ed25519Backend = {
  name: "node",

  verify(signature, message, publicKey) {
    const key = importPublicKey(publicKey);
    return key !== undefined && crypto.verify(null, message, key, signature);
  },

  // Signing keys are not cached: a secret must not outlive its caller's copy.
  sign(message, seed) {
    const signature = crypto.sign(null, message, importSeed(seed));
    return new Uint8Array(signature.buffer, signature.byteOffset, signature.length);
  },

  publicKey(seed) {
    const { x } = crypto.createPublicKey(importSeed(seed)).export({ format: "jwk" });
    return fromBase64url(x!, 32);
  },
};

function importSeed(seed: Uint8Array): crypto.KeyObject {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const key = crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return key;
}

function importPublicKey(publicKey: Uint8Array): crypto.KeyObject | undefined {
  const x = base64url(publicKey);
  const known = imported.get(x);
  if (known !== undefined || imported.has(x)) return known;
  let key: crypto.KeyObject | undefined;
  try {
    key = crypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  } catch {
    key = undefined;
  }
  if (imported.size >= KEY_OBJECT_CACHE_ENTRIES) imported.delete(imported.keys().next().value!);
  imported.set(x, key);
  return key;
}
