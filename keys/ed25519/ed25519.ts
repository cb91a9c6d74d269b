import { backends } from "#platform";
import { AntsError } from "../errors.js";
import { type Random, systemRandom } from "../ports.js";
import type { Ed25519Backend } from "./backend.js";
import { passesGate } from "./gate.js";

const SEED_BYTES = 32;

/** The names of the backends that load here, fastest first; the first is used where none is named. */
export function ed25519Backends(): string[] {
  return backends.map(({ name }) => name);
}

/**
 * The one acceptance rule for Ed25519 signatures, that of dalek's `verify_strict`, and the only code of this project
 * that verifies one: the checks of the gate, then encode([S]B − [k]A) = R, cofactorless (protocol.md, "Bytes").
 *
 * False for any signature, key or message that does not verify, whatever its bytes and length; it never throws on
 * them. Throws AntsError "backend-unknown" when `backend` names none of {@link ed25519Backends}.
 */
export function verifyStrict(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
  backend?: string,
): boolean {
  const chosen = backend === undefined ? backends[0]! : backendNamed(backend);
  return (
    message instanceof Uint8Array && passesGate(signature, publicKey) && chosen.verify(signature, message, publicKey)
  );
}

/**
 * The 64-byte Ed25519 signature (RFC 8032, deterministic). `seed`: the 32-byte secret; AntsError "seed-length"
 * otherwise, "backend-unknown" as in {@link verifyStrict}.
 */
export function sign(message: Uint8Array, seed: Uint8Array, backend?: string): Uint8Array {
  assertSeed(seed);
  return (backend === undefined ? backends[0]! : backendNamed(backend)).sign(message, seed);
}

/** The 32-byte public key of a seed. Throws AntsError "seed-length" unless the seed is 32 bytes. */
export function publicKeyFromSeed(seed: Uint8Array): Uint8Array {
  assertSeed(seed);
  return backends[0]!.publicKey(seed);
}

/** A new signing secret: 32 random bytes. */
export function generateSeed(random: Random = systemRandom): Uint8Array {
  return random.bytes(SEED_BYTES);
}

function backendNamed(name: string): Ed25519Backend {
  const found = backends.find((backend) => backend.name === name);
  if (found !== undefined) return found;
  throw new AntsError(
    "backend-unknown",
    `expected one of ${ed25519Backends().join(", ")}, got ${JSON.stringify(name)}`,
  );
}

function assertSeed(seed: Uint8Array): void {
  if (!(seed instanceof Uint8Array) || seed.length !== SEED_BYTES) {
    throw new AntsError("seed-length", `expected a seed of 32 bytes, got ${seed?.length ?? typeof seed}`);
  }
}
