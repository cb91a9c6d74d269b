import type { Match } from "./finding.js";
import { randomnessBits } from "./randomness.js";

/**
 * Words that name a secret, in the languages that people write notes in. A name counts when it ends in one of them:
 * `db_password` and `API_TOKEN` do, `tokenCount` does not.
 */
const SECRET_NAME =
  "(?:pass(?:word|wd|phrase|code)|passwort|kennwort|passe|contraseña|senha|пароль|密码|密碼|パスワード|pwd|pass|secret|token|credentials?|api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|account[ _-]?key|auth[ _-]?key|signing[ _-]?key|encryption[ _-]?key|bearer|pin)";

/** A name's end, and the sign after it. Names and values are read from there, so that the search stays one pass. */
const NAMED = new RegExp(
  `(?<name>${SECRET_NAME})["'\`*]{0,3}[ \\t]{0,8}(?<sign>:=|=>|=|:|[ \\t]is[ \\t])[ \\t]{0,8}`,
  "gi",
);
const VALUE =
  /"(?<double>[^"\n]{1,512})"|'(?<single>[^'\n]{1,512})'|`(?<back>[^`\n]{1,512})`|(?<bare>[^\s"'`,;]{1,512})/y;
const NAME_BEFORE = /[\p{L}\p{N}_.-]{0,24}$/u;
const MAX_NAME = 24;

/** "machine … login … password …": the one form that has no sign between name and value. */
const NETRC = /\blogin[ \t]+\S+[ \t\n]+(?<name>password)[ \t]+(?<bare>\S{1,512})/g;

/** Files in which a bare word after "=" or ":" is code, not a value. */
const CODE =
  /\.(?:[cm]?[jt]sx?|py|go|rs|java|kt|swift|c|cc|cpp|h|hpp|cs|rb|php|scala|sh|bash|zsh|fish|lua|ex|exs|clj|sql|proto|graphql|vue|svelte|css|html?)$/i;

const MIN_VALUE = 6;
const PLACEHOLDER =
  /^(?:true|false|null|none|nil|undefined|string|number|boolean|bytes|required|optional|example|sample|test|secret|password|passphrase|token|value|changeme|change-me|redacted|hidden|unset|empty|todo|n\/a|(?:your|my|the|a|an|some|any)[-_ ].*|[*x.…•_-]+|<.*>|\[.*\]|\{.*\}|%.*%|\$.*|@.*|#.*|.*\$\{.*|.*\{\{.*|.*<[a-z -]+>.*|.*\.\.\.|.*…)$/iu;
/** References to where the secret really is: an environment, a file, a manager. */
const REFERENCE =
  /^(?:process\.|os\.|env\.|ENV\[|getenv|vault:|op:\/\/|file:|\.{0,2}\/|~\/|https?:\/\/|\(|[\w.]+\(|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|(?:string|number|boolean|bytes)\b)/;
const PLAIN_WORDS = /^[\p{L}]+(?:[-_. /][\p{L}]+)*[.!?:]?$/u;
/** Versions, dates, times, sizes, counts. */
const NUMBERS = /^v?\d[\d.,:/ _TZ+-]*(?:[a-z%]{1,5})?$/i;

/** Values that are given the name of a secret, unless they are placeholders, references or code. */
export function* assignedSecrets(path: string, text: string): Generator<Match> {
  const isCode = CODE.test(path);
  for (const match of text.matchAll(NAMED)) {
    VALUE.lastIndex = match.index + match[0].length;
    const { double, single, back, bare } = VALUE.exec(text)?.groups ?? {};
    const quoted = double ?? single ?? back;
    const value = quoted ?? bare ?? "";
    const sign = match.groups?.sign?.trim() ?? "";
    if (!(quoted === undefined ? isBareValue(value, isCode, sign) : isQuotedValue(value))) continue;
    const start = match.index + match[0].length + (quoted === undefined ? 0 : 1);
    const before = NAME_BEFORE.exec(text.slice(Math.max(0, match.index - MAX_NAME), match.index))?.[0] ?? "";
    const name = before + (match.groups?.name ?? "");
    yield { rule: "named-secret", start, end: start + value.length, shown: `${name} ${sign} ` };
  }
  for (const match of text.matchAll(NETRC)) {
    const end = match.index + match[0].length;
    const value = match.groups?.bare ?? "";
    if (value.length >= MIN_VALUE && !PLACEHOLDER.test(value))
      yield { rule: "named-secret", start: end - value.length, end, shown: "password " };
  }
}

function isQuotedValue(value: string): boolean {
  if (isNoValue(value)) return false;
  if (!PLAIN_WORDS.test(value)) return !/\s/.test(value) || /\d/.test(value);
  return !/\s/.test(value) && randomnessBits(value) > 0;
}

function isBareValue(value: string, isCode: boolean, sign: string): boolean {
  if (isCode || isNoValue(value)) return false;
  // In prose, "token: something" says nothing; in a settings file, KEY=swordfish does.
  if (PLAIN_WORDS.test(value)) return sign === "=" && value.length >= 8;
  return /[\p{L}]/u.test(value) || value.length >= 8;
}

function isNoValue(value: string): boolean {
  return value.trim().length < MIN_VALUE || PLACEHOLDER.test(value) || REFERENCE.test(value) || NUMBERS.test(value);
}
