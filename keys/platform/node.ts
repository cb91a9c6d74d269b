import * as crypto from "node:crypto";
import { concat } from "../bytes.js";
import type { Ed25519Backend } from "../ed25519/backend.js";
import { noble } from "../ed25519/noble.js";
import { nodeCrypto } from "../ed25519/node-crypto.js";
import { loadSodium } from "../ed25519/sodium.js";

// crypto.hash (Node 20.12 and later) skips the stream object and is about twice as fast on a line. The types call it
// present; a runtime that imitates Node may lack it.
const oneShot = crypto.hash as typeof crypto.hash | undefined;

/** SHA-256 of the parts one after the other: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (oneShot !== undefined) return plain(oneShot("sha256", joined(parts), "buffer"));
  const hash = crypto.createHash("sha256");
  for (const part of parts) hash.update(part);
  return plain(hash.digest());
}

/** As {@link sha256}, as 64 lower-case hexadecimal digits. */
export function sha256Hex(...parts: readonly Uint8Array[]): string {
  if (oneShot !== undefined) return oneShot("sha256", joined(parts), "hex");
  const hash = crypto.createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : concat(...parts);
}

// Callers are promised a plain Uint8Array: a Buffer's slice() shares memory where a Uint8Array's copies.
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

const sodium = loadSodium();

/** The Ed25519 implementations that load here, fastest first. */
export const backends: readonly Ed25519Backend[] =
  sodium === undefined ? [nodeCrypto, noble] : [sodium, nodeCrypto, noble];
