/** The names of the implementations, as `verifyStrict` takes them. */
export type BackendName = "noble" | "node" | "sodium";

/**
 * One implementation of Ed25519 behind the gate. All of them accept exactly the same signatures: the gate has refused
 * what libraries disagree on, and what is left is the cofactorless equation.
 */
export interface Ed25519Backend {
  readonly name: BackendName;
  /**
   * Does encode([S]B − [k]A) equal the bytes of R? Only for input that passed the gate; everything else is undefined.
   * False when A is not on the curve. Never throws for a 64-byte signature and a 32-byte key.
   */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  /** RFC 8032 section 5.1.6, deterministic: 64 bytes. `seed`: 32 bytes, checked by the caller. */
  sign(message: Uint8Array, seed: Uint8Array): Uint8Array;
  /** The 32-byte public key of a 32-byte seed. */
  publicKey(seed: Uint8Array): Uint8Array;
}
