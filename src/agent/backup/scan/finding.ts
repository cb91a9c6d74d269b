import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hex, utf8 } from "../../../../keys/bytes.js";

/** What a rule found in a text: where, and what of it may be shown. */
export interface Match {
  /** The rule's name, as findings and the allow-list have it. */
  readonly rule: string;
  /** Offsets of the match in the text, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** What is no secret of it: a provider's prefix, the name that a password is assigned to. */
  readonly shown: string;
}

/** 48 bits: enough to tell the matches of one home apart, and all of it that has to be typed or compared. */
const FINGERPRINT_HEX = 12;

/**
 * Something in a file that looks like a secret. It says where, and never what: the value is in a private field, which
 * neither JSON nor the console can see, and serves only for {@link Finding.fingerprint}.
 */
export class Finding {
  /** Relative to the home, with "/". */
  readonly path: string;
  /** Counted from 1; 0 where the file has no lines (bytes that are no text). */
  readonly line: number;
  readonly rule: string;
  /** What may be shown: the public part of the match, and how long the rest is. */
  readonly excerpt: string;
  readonly #value: Uint8Array;

  constructor(at: { path: string; line: number; rule: string; excerpt: string }, value: Uint8Array) {
    this.path = at.path;
    this.line = at.line;
    this.rule = at.rule;
    this.excerpt = at.excerpt;
    this.#value = value.slice();
  }

  /**
   * Names the value for the allow-list: 12 hex digits of HMAC-SHA-256 over rule and value. A plain hash of a short
   * password is found by trying; this one is worth nothing without the key, which is in the vault (docs/decisions/0029).
   */
  fingerprint(key: Uint8Array): string {
    const mac = hmac
      .create(sha256, key)
      .update(utf8(`${this.rule}\n`))
      .update(this.#value)
      .digest();
    return hex(mac).slice(0, FINGERPRINT_HEX);
  }
}

/** How a match is shown: its public part, then how much there is of the rest. */
export function masked(shown: string, hidden: number, unit: "characters" | "bytes"): string {
  return `${shown}… (${hidden} ${unit})`;
}
