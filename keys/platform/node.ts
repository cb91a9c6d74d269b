import * as crypto from "node:crypto";
import type { Ed25519Backend } from "../ed25519/backend.js";
import { noble } from "../ed25519/noble.js";
import { nodeCrypto } from "../ed25519/node-crypto.js";
import { loadSodium } from "../ed25519/sodium.js";

// crypto.hash (Node 20.12 and later) skips the stream object and is about twice as fast on a line. The types call it
// present; a runtime that imitates Node may lack it.
const oneShot = crypto.hash as typeof crypto.hash | undefined;

/** SHA-256 of the parts one after the other: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return bytesOf(digest(parts, "binary"));
}

/** As {@link sha256}, as 64 lower-case hexadecimal digits. */
export function sha256Hex(...parts: readonly Uint8Array[]): string {
  return digest(parts, "hex");
}

/** SHA-256 of a text's UTF-8: 32 bytes. Spares the caller the encoding, which costs more than the hash. */
export function sha256Text(text: string): Uint8Array {
  return bytesOf(digestOf(text, "binary"));
}

/** As {@link sha256Text}, as 64 lower-case hexadecimal digits. */
export function sha256TextHex(text: string): string {
  return digestOf(text, "hex");
}

function digestOf(data: string | Uint8Array, encoding: "hex" | "binary"): string {
  return oneShot === undefined
    ? crypto.createHash("sha256").update(data).digest(encoding)
    : oneShot("sha256", data, encoding);
}

// A digest comes back as a string of 32 characters twice as fast as in a Buffer, whose memory is allocated apart
// (Node 20).
function bytesOf(characters: string): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 32; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** Holds a tag and a line together. Reused, since allocating so much costs more than hashing it. */
const scratch = new Uint8Array(1_024);

function digest(parts: readonly Uint8Array[], encoding: "hex" | "binary"): string {
  if (parts.length === 1) return digestOf(parts[0]!, encoding);
  if (oneShot === undefined) return streamed(parts, encoding);
  let size = 0;
  for (const part of parts) size += part.length;
  if (size > scratch.length) return streamed(parts, encoding);
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  const characters = oneShot("sha256", scratch.subarray(0, size), encoding);
  scratch.fill(0, 0, size); // the parts may be secret
  return characters;
}

function streamed(parts: readonly Uint8Array[], encoding: "hex" | "binary"): string {
  const hash = crypto.createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest(encoding);
}

const sodium = loadSodium();

/** The Ed25519 implementations that load here, fastest first. */
export const backends: readonly Ed25519Backend[] =
  sodium === undefined ? [nodeCrypto, noble] : [sodium, nodeCrypto, noble];
