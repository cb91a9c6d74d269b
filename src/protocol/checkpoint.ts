/**
 * Tree heads as C2SP checkpoints (https://c2sp.org/tlog-checkpoint): the text `origin \n size \n base64(root) \n`
 * in a signed note. The origin is `<host>/<stream>`, and the note's key has the origin's name.
 */
import { base64 } from "@scure/base";
import { equalBytes } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { EMPTY_ROOT } from "../../keys/merkle/hashes.js";
import { decodeMultikey } from "../../keys/multikey.js";
import { isStream } from "./cursor.js";
import { signNote, verifyNote } from "./note.js";
import { relayHost } from "./relay-url.js";

export interface Checkpoint {
  /** `<host>/<stream>`. */
  readonly origin: string;
  /** Entries in the log. */
  readonly size: number;
  /** The 32-byte RFC 6962 root over their ids. */
  readonly root: Uint8Array;
}

/** The origin of a relay's checkpoints: the host of its own URL, and its stream. */
export function checkpointOrigin(relayUrl: string, stream: string): string {
  return `${relayHost(relayUrl)}/${stream}`;
}

/** The stream that an origin names. Throws `checkpoint-syntax`. */
export function streamOfOrigin(origin: string): string {
  const stream = origin.slice(origin.lastIndexOf("/") + 1);
  if (!isStream(stream)) throw badCheckpoint("the origin <host>/<stream>");
  return stream;
}

/** The text that is signed. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${base64.encode(root)}\n`;
  parseCheckpoint(text);
  return text;
}

/** Reads a checkpoint's text; extension lines after the root are passed over. Throws `checkpoint-syntax`. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...extensions] = text.split("\n");
  if (origin === undefined || origin === "") throw badCheckpoint("an origin");
  streamOfOrigin(origin);
  if (size === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw badCheckpoint("a size");
  }
  const hash = root === undefined ? undefined : decodeRoot(root);
  if (hash === undefined) throw badCheckpoint("a root of 32 bytes in base64");
  if (extensions.pop() !== "" || extensions.includes("")) throw badCheckpoint("lines that end with a newline");
  if (size === "0" && !equalBytes(hash, EMPTY_ROOT)) throw badCheckpoint("the empty tree's root at size 0");
  return { origin, size: Number(size), root: hash };
}

/** Signs a tree head with the relay's own key. */
export function signCheckpoint(head: Checkpoint, seed: Uint8Array): string {
  return signNote(formatCheckpoint(head), { name: head.origin, seed });
}

/**
 * Reads and verifies a signed tree head. `key` is the relay's Multikey, `stream` the one that the head must be of.
 * Throws `note-syntax`, `note-signature`, `checkpoint-syntax`, `checkpoint-mismatch`.
 */
export function verifyCheckpoint(note: string, expected: { key: string; stream: string }): Checkpoint {
  const name = note.slice(0, Math.max(0, note.indexOf("\n")));
  const { text } = verifyNote(note, [{ name, publicKey: decodeMultikey(expected.key).publicKey }]);
  const head = parseCheckpoint(text);
  const stream = streamOfOrigin(head.origin);
  if (stream === expected.stream) return head;
  throw new AntsError("checkpoint-mismatch", `the tree head is of stream ${stream}, expected ${expected.stream}`, {
    details: { stream, expected: expected.stream },
  });
}

function decodeRoot(text: string): Uint8Array | undefined {
  try {
    const bytes = base64.decode(text);
    return bytes.length === 32 ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function badCheckpoint(expected: string): AntsError {
  return new AntsError("checkpoint-syntax", `not a checkpoint: expected ${expected}`, { details: { expected } });
}
