import { ownPublicFields } from "./own-files.js";

/**
 * What looks random and is public by its kind: hashes and signatures that are called so, public keys, identifiers.
 * Looked away from before anything is judged by its randomness alone.
 */
const PUBLIC_FORMS: readonly RegExp[] = [
  // Subresource integrity, lock files, image digests, SSH fingerprints, go.sum.
  /\b(?:sha(?:1|224|256|384|512)|md5|blake[23][bs]?|xxh\w*)[-:=][A-Za-z0-9+/_-]{16,}={0,2}/gi,
  /\bh1:[A-Za-z0-9+/]{43}=/g,
  // Public keys: SSH (its base64 begins with the length of the algorithm's name), DIDs, age recipients, Nostr, Bitcoin.
  /\bAAAA[A-Z][A-Za-z0-9+/]{40,}={0,2}/g,
  /-----BEGIN (?:CERTIFICATE|[A-Z0-9 ]*PUBLIC KEY(?: BLOCK)?|PGP (?:SIGNATURE|MESSAGE)|SSH SIGNATURE|AGE ENCRYPTED FILE|X509 CRL|CERTIFICATE REQUEST)-----[^-]*/g,
  /\bdid:[a-z0-9]+:[A-Za-z0-9._:%-]+/g,
  /\bz6(?:Mk|LS)[1-9A-HJ-NP-Za-km-z]{40,}/g,
  /\b(?:age1|npub1|note1|nevent1|bc1|addr1)[02-9a-z]{30,}/g,
  // Signed notes: a tree head's root, and the signatures below it, also within JSON.
  /\/[0-9a-f]{16}(?:\\n|\n)\d+(?:\\n|\n)[A-Za-z0-9+/]{43}=/g,
  /— \S{1,256} [A-Za-z0-9+/]{60,}={0,2}/g,
  // Content identifiers, UUIDs, ULIDs.
  /\b(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|baf[a-z2-7]{50,})\b/g,
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi,
  /\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/g,
  // Pictures, fonts and sounds written into a page.
  /\bdata:(?:image|font|audio|video|application\/(?:font|wasm|pdf|x-font))[\w.+/-]*;base64,[A-Za-z0-9+/_%-]+={0,2}/g,
];

/** What comes before a hash or a signature where people and programs write one. */
const CALLED_PUBLIC =
  /(?:hash|digest|checksum|integrity|sha-?\d*|md5|crc|etag|commit|revision|rev|parent|tree|blob|head|root|prev(?:ious)?|event|operation|op|id|uid|guid|uuid|fingerprint|signature|sig|proof|layer|image|cursor|checkpoint|stream|nonce|salt|seed of the simulation|public[ _-]?key|pub(?:key)?|multikey|verkey|thumbprint|block|txid?|transaction|address|build|cache|key[ _-]?id|kid|resolved|version)s?["'`*)]{0,3}[\s]{0,3}(?:[:=#@>]|is|was|at|of)?[\s]{0,3}["'`(<[]{0,2}$/i;
const CALLED_WITHIN = 48;
/** What follows the hash in what sha256sum prints. */
const SUM_LINE = /^ [ *]\S+[ \t]*(?:\r?\n|$)/;
const SUM_WITHIN = 256;

/**
 * The text with every public form, and everything in `known`, replaced by spaces; line ends stay. `path`: of its file,
 * relative to the home.
 */
export function withoutPublicForms(path: string, text: string, known: Iterable<readonly [number, number]>): string {
  let left = text;
  for (const { lines, fields } of ownPublicFields(path))
    left = left.replace(lines, (line) => fields.reduce((rest, field) => rest.replace(field, blank), line));
  left = blankSpans(left, known);
  for (const form of PUBLIC_FORMS) left = left.replace(form, blank);
  // A line end within JSON is no letter of what follows it.
  return left.replace(/\\[nrt]/g, "  ");
}

/** Is the token at [start, end) called a hash, an id or the like by what stands beside it? */
export function isCalledPublic(text: string, start: number, end: number): boolean {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const before = text.slice(Math.max(lineStart, start - CALLED_WITHIN), start);
  return CALLED_PUBLIC.test(before) || SUM_LINE.test(text.slice(end, end + SUM_WITHIN));
}

function blankSpans(text: string, spans: Iterable<readonly [number, number]>): string {
  const parts: string[] = [];
  let at = 0;
  for (const [from, end] of [...spans].sort(([a], [b]) => a - b)) {
    const start = Math.max(from, at);
    if (end <= start) continue;
    parts.push(text.slice(at, start), blank(text.slice(start, end)));
    at = end;
  }
  return parts.join("") + text.slice(at);
}

function blank(text: string): string {
  return text
    .split("\n")
    .map((line) => " ".repeat(line.length))
    .join("\n");
}
