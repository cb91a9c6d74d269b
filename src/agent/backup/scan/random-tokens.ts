import { fromBase64, printable } from "./encodings.js";
import type { Match } from "./finding.js";
import { isCalledPublic } from "./public-forms.js";
import { randomnessBits } from "./randomness.js";
import { hasKnownMagic } from "./raw-bytes.js";

const TOKEN = /[A-Za-z0-9+/_-]{12,}={0,2}/g;
const HEX = /^(?:[0-9a-f]+|[0-9A-F]+)$/;
const MIN_HEX = 32;
/** A Git commit: in every note about code, and no key is of this length. */
const COMMIT_HEX = 40;
/** Below this a drawn token is as likely as not; from it on, one name in some thousand is taken for one. */
const BITS_OF_SHORT = 18;
const BITS_OF_LONG = 14;
const LONG = 20;

/** Tokens that nobody thought up: keys in hexadecimal, base64 or base62 without a form of their own. */
export function* randomTokens(text: string): Generator<Match> {
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const end = index + token.length;
    const rule = HEX.test(token) ? hexRule(token) : tokenRule(token);
    if (rule !== undefined && !isCalledPublic(text, index, end)) yield { rule, start: index, end, shown: "" };
  }
  if (!SCRIPTS.every((script) => script.test(text))) return;
  for (const { 0: run, index } of text.matchAll(MIXED_RUN)) {
    if (SCRIPTS.every((script) => script.test(run)))
      yield { rule: "mixed-scripts", start: index, end: index + run.length, shown: "" };
  }
}

function hexRule(token: string): string | undefined {
  if (token.length < MIN_HEX || token.length === COMMIT_HEX) return undefined;
  const varied = new Set(token.toLowerCase()).size >= 10;
  return varied ? "random-hex" : undefined;
}

function tokenRule(token: string): string | undefined {
  const bare = token.replace(/=+$/, "");
  if (!/[0-9]/.test(bare) && !(/[a-z]/.test(bare) && /[A-Z]/.test(bare))) return undefined;
  if (randomnessBits(bare) < (bare.length < LONG ? BITS_OF_SHORT : BITS_OF_LONG)) return undefined;
  // What it is when it is decoded says more: text is looked at as text, a picture is one.
  const bytes = fromBase64(token);
  if (bytes !== undefined && (printable(bytes) !== undefined || hasKnownMagic(bytes))) return undefined;
  return "random-token";
}

/** A word without a space in which Latin, Cyrillic and Chinese, Japanese or Korean letters stand together. */
const MIXED_RUN = /[^\s"'`,;()[\]{}<>\uFFFD]{12,128}/gu;
const SCRIPTS = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u,
];
