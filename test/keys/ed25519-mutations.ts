import { etc, Point } from "@noble/ed25519";
import { publicKeyFromSeed, sign } from "../../keys/ed25519/index.js";
import { challenge, nonCanonicalPoints, scalarBytes, scalarOf, torsionPoints } from "./ed25519-edge-cases.js";
import type { Prng } from "./prng.js";

/** A question to `verifyStrict` whose answer nobody wrote down: the implementations are compared with each other. */
export interface Mutation {
  kind: string;
  signature: Uint8Array;
  message: Uint8Array;
  publicKey: Uint8Array;
}

interface Base {
  signature: Uint8Array;
  message: Uint8Array;
  publicKey: Uint8Array;
}

const { n: L } = Point.CURVE();
const KEYS = 16;
const MESSAGES_PER_KEY = 8;

/** Makes mutations without end, the same ones for the same generator. */
export class Mutator {
  readonly #prng: Prng;
  readonly #bases: Base[] = [];
  /** Encodings that the gate must stop. */
  readonly #poison: Uint8Array[];
  readonly #mixed: { secret: bigint; keys: Uint8Array[]; nonce: bigint; nonces: Uint8Array[] }[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
    for (let i = 0; i < KEYS; i++) {
      const seed = prng.bytes(32);
      const publicKey = publicKeyFromSeed(seed);
      for (let j = 0; j < MESSAGES_PER_KEY; j++) {
        const message = prng.bytes(1 + prng.below(200));
        this.#bases.push({ signature: sign(message, seed), message, publicKey });
      }
    }
    this.#poison = [
      ...torsionPoints().map((point) => point.toBytes()),
      ...nonCanonicalPoints().map(({ encoded }) => encoded),
      new Uint8Array(32).fill(0xff),
    ];
    for (let i = 0; i < 4; i++) {
      const secret = (scalarOf(prng.bytes(32)) % (L - 1n)) + 1n;
      const nonce = (scalarOf(prng.bytes(32)) % (L - 1n)) + 1n;
      this.#mixed.push({ secret, keys: withTorsion(secret), nonce, nonces: withTorsion(nonce) });
    }
  }

  /** One that passes the gate (but for rare accidents), so that the equation decides. */
  reachingTheEquation(): Mutation {
    const base = this.#prng.pick(this.#bases);
    switch (this.#prng.below(9)) {
      case 0:
        return { kind: "unchanged", ...base };
      case 1:
        return { kind: "bit of R", ...base, signature: this.#flip(base.signature, 0, 255) };
      case 2:
        return { kind: "bit of S", ...base, signature: this.#flip(base.signature, 256, 256 + 252) };
      case 3:
        return { kind: "bit of the message", ...base, message: this.#flip(base.message, 0, base.message.length * 8) };
      case 4:
        return { kind: "bit of the key", ...base, publicKey: this.#flip(base.publicKey, 0, 256) };
      case 5:
        return { kind: "signature of another", ...base, signature: this.#prng.pick(this.#bases).signature };
      case 6:
        return { kind: "halves of two", ...base, signature: this.#spliced(base.signature) };
      case 7:
        return { kind: "random S", ...base, signature: this.#withScalar(base.signature, this.#randomScalar()) };
      default:
        return this.#mixedOrder();
    }
  }

  /** One that the gate is there for. */
  stoppedByTheGate(): Mutation {
    const base = this.#prng.pick(this.#bases);
    switch (this.#prng.below(6)) {
      case 0: {
        const s = scalarOf(base.signature.subarray(32)) + L * BigInt(1 + this.#prng.below(14));
        return { kind: "S + L", ...base, signature: this.#withScalar(base.signature, s) };
      }
      case 1:
        return { kind: "high bit of S", ...base, signature: this.#flip(base.signature, 509, 512) };
      case 2: {
        const signature = etc.concatBytes(this.#prng.pick(this.#poison), base.signature.subarray(32));
        return { kind: "poisoned R", ...base, signature };
      }
      case 3:
        return { kind: "poisoned key", ...base, publicKey: this.#prng.pick(this.#poison) };
      case 4: {
        const signature = base.signature.slice(0, this.#prng.below(64));
        return { kind: "cut signature", ...base, signature };
      }
      default: {
        const s = L + BigInt(this.#prng.uint32());
        return { kind: "S just above L", ...base, signature: this.#withScalar(base.signature, s) };
      }
    }
  }

  /** Signed afresh with small-order parts in key and nonce: the cofactored equation always holds, the other rarely. */
  #mixedOrder(): Mutation {
    const { secret, keys, nonce, nonces } = this.#prng.pick(this.#mixed);
    const publicKey = this.#prng.pick(keys);
    const encodedR = this.#prng.pick(nonces);
    const message = this.#prng.bytes(32);
    const s = (nonce + challenge(encodedR, publicKey, message) * secret) % L;
    return { kind: "mixed order", signature: etc.concatBytes(encodedR, scalarBytes(s)), message, publicKey };
  }

  #flip(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const copy = bytes.slice();
    const bit = from + this.#prng.below(to - from);
    copy[bit >> 3]! ^= 1 << (bit & 7);
    return copy;
  }

  #spliced(signature: Uint8Array): Uint8Array {
    return etc.concatBytes(signature.subarray(0, 32), this.#prng.pick(this.#bases).signature.subarray(32));
  }

  #withScalar(signature: Uint8Array, s: bigint): Uint8Array {
    return etc.concatBytes(signature.subarray(0, 32), scalarBytes(s));
  }

  #randomScalar(): bigint {
    return scalarOf(this.#prng.bytes(32)) % L;
  }
}

function withTorsion(scalar: bigint): Uint8Array[] {
  const point = Point.BASE.multiply(scalar);
  return torsionPoints().map((small) => point.add(small).toBytes());
}
