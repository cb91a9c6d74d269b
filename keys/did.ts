import { base32, fromHex } from "./bytes.js";
import { AntsError } from "./errors.js";

/**
 * ```
 * did  = "did:ants:" 51(b32) last
 * b32  = "a"–"z" / "2"–"7"
 * last = "a" / "q"               256 bits fill 51 characters and one bit of the 52nd
 * ```
 * The 52 characters are the lower-case base32 (RFC 4648, no padding) of the hash of the genesis operation.
 */
export type Did = `did:ants:${string}`;

const DID_PATTERN = /^did:ants:[a-z2-7]{51}[aq]$/;

/** Is this text a DID of this method, in its only spelling? */
export function isDid(text: unknown): text is Did {
  return typeof text === "string" && DID_PATTERN.test(text);
}

/** Throws AntsError "did-syntax" unless {@link isDid}. */
export function assertDid(text: unknown): asserts text is Did {
  if (!isDid(text)) {
    throw new AntsError("did-syntax", `expected did:ants: and 52 characters of a–z and 2–7, got ${quote(text)}`);
  }
}

/** The DID that a genesis operation founds. `hashHex`: its hash, 64 lower-case hexadecimal digits ("bytes-hex"). */
export function didOfGenesis(hashHex: string): Did {
  return `did:ants:${base32(fromHex(hashHex, 32))}`;
}

/**
 * The first 16 of a DID's own characters in four groups, for people who compare two screens or sheets: 80 bits of its
 * hash, which nobody can find a second identity for. Only the whole DID names an agent.
 */
export function fingerprintOf(did: Did): string {
  return did
    .slice("did:ants:".length)
    .slice(0, 16)
    .replace(/.{4}(?=.)/g, "$&-");
}

function quote(text: unknown): string {
  return typeof text === "string" ? JSON.stringify(text.slice(0, 80)) : `a value of type ${typeof text}`;
}
