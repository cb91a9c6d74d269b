import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { hex, utf8 } from "../bytes.js";
import type { Ed25519Backend } from "../ed25519/backend.js";
import { noble } from "../ed25519/noble.js";

/** SHA-256 of the parts one after the other: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return nobleSha256(parts[0]!);
  const hash = nobleSha256.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** As {@link sha256}, as 64 lower-case hexadecimal digits. */
export function sha256Hex(...parts: readonly Uint8Array[]): string {
  return hex(sha256(...parts));
}

/** SHA-256 of a text's UTF-8: 32 bytes. */
export function sha256Text(text: string): Uint8Array {
  return nobleSha256(utf8(text));
}

/** As {@link sha256Text}, as 64 lower-case hexadecimal digits. */
export function sha256TextHex(text: string): string {
  return hex(sha256Text(text));
}

/** The Ed25519 implementations that load here, fastest first. */
export const backends: readonly Ed25519Backend[] = [noble];
