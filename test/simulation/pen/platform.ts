import type { Ed25519Backend } from "../../../keys/ed25519/backend.js";
import * as node from "../../../keys/platform/node.js";

/**
 * The platform of simulations that run for thousands of seeds: real hashes, and signatures that cost a hash. They have
 * the form of real ones and hold exactly where the seed's owner made them, which is all that the rules of the pen build on;
 * what Ed25519 itself accepts is tested elsewhere, with the real thing.
 */
const [real] = node.backends;
const made = new Set<string>();
const publicKeys = new Map<string, Uint8Array>();

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

const remembering: Ed25519Backend = {
  name: real!.name,
  verify(signature, message, publicKey) {
    return made.has(latin1(signature) + latin1(publicKey) + latin1(node.sha256(message)));
  },
  sign(message, seed) {
    const signature = new Uint8Array(64);
    signature.set(node.sha256(seed, message));
    signature.set(signature.subarray(0, 32), 32);
    // A canonical point, and a scalar below the order.
    signature[31]! &= 0x3f;
    signature[63] = 0;
    made.add(latin1(signature) + latin1(remembering.publicKey(seed)) + latin1(node.sha256(message)));
    return signature;
  },
  publicKey(seed) {
    const key = latin1(seed);
    let known = publicKeys.get(key);
    if (known === undefined) {
      if (publicKeys.size >= 1_000) publicKeys.clear();
      known = real!.publicKey(seed);
      publicKeys.set(key, known);
    }
    return known.slice();
  },
};

/** The next run begins: it has keys of its own, and nothing that was signed before is in it. */
export function forgetSignatures(): void {
  made.clear();
}

export const { sha256, sha256Hex, sha256Text, sha256TextHex } = node;
export const backends: readonly Ed25519Backend[] = [remembering];
