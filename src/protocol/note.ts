/**
 * C2SP signed notes (https://c2sp.org/signed-note), Ed25519 signatures only: a text, an empty line, signature lines.
 * Signatures of other keys and algorithms are passed over, as the format asks.
 */
import { base64 } from "@scure/base";
import { sha256 } from "#platform";
import { concat, equalBytes, hex, utf8 } from "../../keys/bytes.js";
import { publicKeyFromSeed, sign, verifyStrict } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";

/** The signature type byte of Ed25519 notes. */
const ED25519 = 0x01;
/** Signature lines start with an em dash. */
const SIGNATURE_START = "\u2014 ";
const KEY_ID_BYTES = 4;
/** The longest note that is looked at: a checkpoint with many cosignatures is a tenth of it. */
const MAX_NOTE_LENGTH = 65_536;
/** At most this many signature lines are looked at, as the reference implementation does. */
const MAX_SIGNATURES = 100;
/** A key's name: not empty, no white space, no plus sign (C2SP signed-note, Verifier keys). */
const NAME = /^[^\s+]+$/u;
/** No ASCII control characters but the newline (C2SP signed-note, Format). */
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** A key that a note's signature can be checked with. */
export interface NoteKey {
  readonly name: string;
  /** 32 bytes of Ed25519. */
  readonly publicKey: Uint8Array;
}

export interface VerifiedNote {
  /** The signed text, its last newline included. */
  readonly text: string;
  /** The names of the keys whose signatures verified. */
  readonly signedBy: readonly string[];
}

/** The 4 bytes that name a key in a signature line: SHA-256(name ‖ "\n" ‖ 0x01 ‖ key)[0..4]. */
export function noteKeyId(key: NoteKey): Uint8Array {
  return sha256(utf8(`${key.name}\n`), Uint8Array.of(ED25519), key.publicKey).slice(0, KEY_ID_BYTES);
}

/** A verifier key as text: `<name>+<key id>+<base64>`. Throws `note-key` for a name that the format forbids. */
export function formatNoteKey(key: NoteKey): string {
  if (!NAME.test(key.name)) throw badKey(key.name);
  const typed = concat(Uint8Array.of(ED25519), key.publicKey);
  return `${key.name}+${hex(noteKeyId(key))}+${base64.encode(typed)}`;
}

/** Reads a verifier key. Throws `note-key`. */
export function parseNoteKey(text: string): NoteKey {
  const [name, id, encoded] = splitTwice(text);
  const typed = encoded === undefined ? undefined : decodeBase64(encoded);
  if (name === undefined || typed?.length !== 33 || typed[0] !== ED25519) throw badKey(text);
  const key = { name, publicKey: typed.slice(1) };
  if (!NAME.test(name) || hex(noteKeyId(key)) !== id) throw badKey(text);
  return key;
}

/** Signs a text (which ends with a newline) and returns the note. Throws `note-syntax`, `note-key`. */
export function signNote(text: string, signer: { name: string; seed: Uint8Array }): string {
  checkText(text);
  if (!NAME.test(signer.name)) throw badKey(signer.name);
  const id = noteKeyId({ name: signer.name, publicKey: publicKeyFromSeed(signer.seed) });
  const signature = concat(id, sign(utf8(text), signer.seed));
  return `${text}\n${SIGNATURE_START}${signer.name} ${base64.encode(signature)}\n`;
}

/**
 * Reads a note and checks the signatures of the given keys. Throws `note-syntax`; `note-signature` when none of the
 * keys signed, or when a signature that names one of them is wrong.
 */
export function verifyNote(note: string, keys: readonly NoteKey[]): VerifiedNote {
  const { text, signatures } = splitNote(note);
  const message = utf8(text);
  const signedBy: string[] = [];
  for (const { name, id, signature } of signatures) {
    const key = keys.find((known) => known.name === name && equalBytes(noteKeyId(known), id));
    if (key === undefined || signedBy.includes(name)) continue;
    if (!verifyStrict(signature, message, key.publicKey)) {
      throw new AntsError("note-signature", `the note's signature by ${name} is wrong`, { details: { name } });
    }
    signedBy.push(name);
  }
  if (signedBy.length > 0) return { text, signedBy };
  throw new AntsError("note-signature", `the note is not signed by ${keys.map((key) => key.name).join(" or ")}`, {
    details: { expected: keys.map((key) => key.name), found: signatures.map(({ name }) => name) },
  });
}

interface NoteSignature {
  readonly name: string;
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
}

/** The text ends with the newline before the last empty line; what follows must be signature lines only. */
function splitNote(note: string): { text: string; signatures: NoteSignature[] } {
  if (note.length > MAX_NOTE_LENGTH) throw badNote(`at most ${MAX_NOTE_LENGTH} characters`);
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw badNote("an empty line before the signatures");
  if (!note.endsWith("\n")) throw badNote("a newline at the end");
  const text = note.slice(0, split + 1);
  checkText(text);
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw badNote(`at most ${MAX_SIGNATURES} signatures`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const [name, encoded, ...more] = line.slice(SIGNATURE_START.length).split(" ");
  const bytes = encoded === undefined ? undefined : decodeBase64(encoded);
  if (!line.startsWith(SIGNATURE_START) || name === undefined || !NAME.test(name) || more.length > 0) {
    throw badNote('signature lines "\u2014 <name> <base64>"');
  }
  if (bytes === undefined || bytes.length <= KEY_ID_BYTES) throw badNote("a signature in base64");
  return { name, id: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

function checkText(text: string): void {
  if (!text.endsWith("\n")) throw badNote("a text that ends with a newline");
  if (CONTROL.test(text)) throw badNote("no control characters but newlines");
  if (!isWellFormed(text)) throw badNote("well-formed text");
}

/** String.prototype.isWellFormed is younger than the oldest browsers that have WebCrypto's Ed25519. */
function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function splitTwice(text: string): string[] {
  const first = text.indexOf("+");
  const second = text.indexOf("+", first + 1);
  if (first < 0 || second < 0) return [];
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return base64.decode(text);
  } catch {
    return undefined;
  }
}

function badNote(expected: string): AntsError {
  return new AntsError("note-syntax", `not a signed note: expected ${expected}`, { details: { expected } });
}

function badKey(text: string): AntsError {
  return new AntsError(
    "note-key",
    `not a verifier key: expected <name>+<key id>+<base64>, got ${JSON.stringify(text.slice(0, 80))}`,
  );
}
