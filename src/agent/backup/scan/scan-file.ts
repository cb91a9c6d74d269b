import { utf8 } from "../../../../keys/bytes.js";
import { secretsInAddresses } from "./addresses.js";
import { assignedSecrets } from "./assigned.js";
import { Finding, type Match, masked } from "./finding.js";
import { knownShapes } from "./known-shapes.js";
import { withoutPublicForms } from "./public-forms.js";
import { randomTokens } from "./random-tokens.js";
import { hasKnownMagic, rawBytes } from "./raw-bytes.js";
import { wordRuns } from "./word-runs.js";
import { decodedTexts, unpacked } from "./wrapped.js";

/** Files that are keys or hold nothing else, by their names: what they hold need not look like anything. */
const KEY_FILE =
  /(?:^|\/)(?:id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|\.netrc|\.pgpass|\.git-credentials|\.htpasswd|[^/]*\.(?:p12|pfx|jks|keystore|kdbx?|ppk|agekey))$/i;
/** Within a secret that is spelled in another way: base64 of base64 is looked into, a third time is nobody's accident. */
const MAX_DEPTH = 2;

/**
 * Looks for secrets in one file. `path`: relative to the home, with "/"; `bytes`: all of it. Pure; some megabytes a second.
 * Findings come in the order of the file, at most one for each place. What they hold of a value cannot be printed.
 *
 * Found are: forms of known issuers, private keys, values that are given a secret's name, passwords in addresses,
 * recovery phrases, and what nobody thought up (keys in hexadecimal, base64, base62, as bytes or as drawn words), also
 * within base64, hexadecimal, gzip and Git's objects. Not found is what looks like a text, a name or a hash, and
 * whatever is inside pictures, archives and encrypted files (docs/secret-scan.md).
 */
export function scanFile(path: string, bytes: Uint8Array, part: FilePart = WHOLE): Finding[] {
  if (bytes.length === 0) return [];
  if (KEY_FILE.test(path)) {
    return [new Finding({ path, line: 0, rule: "key-file", excerpt: masked("", bytes.length, "bytes") }, bytes)];
  }
  return scanBytes(path, bytes, 0, part);
}

/** Which part of a large file it is. */
export interface FilePart {
  /** The file began as a picture, an archive or the like. */
  readonly isDense: boolean;
  readonly linesBefore: number;
}

const WHOLE: FilePart = { isDense: false, linesBefore: 0 };

function scanBytes(path: string, bytes: Uint8Array, depth: number, part: FilePart): Finding[] {
  const inside = depth <= MAX_DEPTH ? unpacked(bytes) : undefined;
  if (inside !== undefined) return scanBytes(path, inside, depth + 1, WHOLE);
  const findings: Finding[] = [];
  const isDense = part.isDense || hasKnownMagic(bytes);
  const raw = isDense ? undefined : rawBytes(bytes);
  if (raw !== undefined) {
    const [start, end] = raw;
    const at = { path, line: 0, rule: "raw-bytes", excerpt: masked("", end - start, "bytes") };
    findings.push(new Finding(at, bytes.subarray(start, end)));
  }
  const text = decodeText(bytes);
  // Nothing but forms of known issuers is believed of files that are dense by nature.
  const matches = isDense ? [...knownShapes(text)] : matchesIn(path, text, depth);
  const lines = new LineNumbers(text);
  for (const { rule, start, end, shown } of outermost(text, matches)) {
    const hidden = end - start - (text.startsWith(shown, start) ? shown.length : 0);
    const at = { path, line: part.linesBefore + lines.of(start), rule, excerpt: masked(shown, hidden, "characters") };
    findings.push(new Finding(at, utf8(text.slice(start, end))));
  }
  return findings;
}

function matchesIn(path: string, text: string, depth: number): Match[] {
  const { found, addresses } = secretsInAddresses(text);
  const matches = [...knownShapes(text), ...found, ...assignedSecrets(path, text)];
  const rest = withoutPublicForms(path, text, [
    ...addresses,
    ...matches.map(({ start, end }) => [start, end] as [number, number]),
  ]);
  if (depth < MAX_DEPTH) {
    for (const { start, end, bytes } of decodedTexts(rest)) {
      const [inner] = scanBytes(path, bytes, depth + 1, WHOLE);
      if (inner !== undefined) matches.push({ rule: inner.rule, start, end, shown: "" });
    }
  }
  matches.push(...randomTokens(rest), ...wordRuns(rest));
  return matches;
}

/** By place; of matches that overlap the first, and of those the longest. Tokens on lines that follow are one. */
function outermost(text: string, matches: readonly Match[]): Match[] {
  const kept: Match[] = [];
  for (const match of [...matches].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = kept.at(-1);
    if (last !== undefined && match.start < last.end) continue;
    const isRest =
      last?.rule === match.rule && match.rule.startsWith("random-") && BROKEN.test(text.slice(last.end, match.start));
    if (isRest) kept[kept.length - 1] = { ...last, end: match.end };
    else kept.push(match);
  }
  return kept;
}

const BROKEN = /^\s{0,3}\n\s{0,8}$/;

/** UTF-16 where a mark says so; else UTF-8, with a mark for each byte that is none. */
function decodeText(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

/** Numbers of lines for offsets that are asked in ascending order. */
class LineNumbers {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  of(offset: number): number {
    for (let next = this.#text.indexOf("\n", this.#at); next >= 0 && next < offset; ) {
      this.#line++;
      this.#at = next + 1;
      next = this.#text.indexOf("\n", this.#at);
    }
    return this.#line;
  }
}
