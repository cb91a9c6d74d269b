import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/**
 * Forty secrets as they look in life, all invented: derived from their names, so that this file holds none and every
 * run plants the same. The one list for every test that looks for secrets where they must not be.
 */
export interface PlantedSecret {
  /** A valid name of a secret. */
  readonly name: string;
  readonly value: Buffer;
  /** UTF-8 without a zero byte: a variable can hold it. */
  readonly isText: boolean;
}

const LOWER = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
const ALPHANUMERIC = LOWER + LOWER.toUpperCase() + DIGITS;
const URL_SAFE = `${ALPHANUMERIC}-_`;
const HEX = `${DIGITS}abcdef`;
const BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

function noise(seed: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash("sha256").update(`planted ${seed} ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

function pick(seed: string, length: number, alphabet: string): string {
  return [...noise(seed, length)].map((byte) => alphabet[byte % alphabet.length]).join("");
}

function pem(kind: string, seed: string, bytes: number): string {
  const lines = noise(seed, bytes)
    .toString("base64")
    .match(/.{1,64}/g)!;
  return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}

function jwt(seed: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: seed, jti: pick(seed, 12, HEX) })}.${pick(seed, 43, URL_SAFE)}`;
}

function words(seed: string, count: number): string {
  return Array.from({ length: count }, (_, i) => pick(`${seed}${i}`, 5, LOWER)).join(" ");
}

const TEXTS: Readonly<Record<string, string>> = {
  "aws.access-key": `AKIA${pick("aws", 16, LOWER.toUpperCase() + DIGITS)}`,
  "aws.secret-key": pick("aws-secret", 40, `${ALPHANUMERIC}/+`),
  "github.classic": `ghp_${pick("github", 36, ALPHANUMERIC)}`,
  "github.fine": `github_pat_${pick("fine-a", 22, ALPHANUMERIC)}_${pick("fine-b", 59, ALPHANUMERIC)}`,
  "gitlab.token": `glpat-${pick("gitlab", 20, URL_SAFE)}`,
  "slack.bot": `xoxb-${pick("slack-a", 12, DIGITS)}-${pick("slack-b", 12, DIGITS)}-${pick("slack-c", 24, ALPHANUMERIC)}`,
  "slack.hook": `https://hooks.slack.example/services/T${pick("hook-a", 8, ALPHANUMERIC)}/B${pick("hook-b", 24, ALPHANUMERIC)}`,
  "stripe.live": `sk_live_${pick("stripe", 24, ALPHANUMERIC)}`,
  "openai.key": `sk-proj-${pick("openai", 48, URL_SAFE)}`,
  "anthropic.key": `sk-ant-api03-${pick("anthropic", 93, URL_SAFE)}AA`,
  "google.key": `AIza${pick("google", 35, URL_SAFE)}`,
  "npm.token": `npm_${pick("npm", 36, ALPHANUMERIC)}`,
  "pypi.token": `pypi-AgEIcHlwaS5vcmc${pick("pypi", 70, URL_SAFE)}`,
  "telegram.bot": `${pick("telegram-a", 10, DIGITS)}:AA${pick("telegram-b", 33, URL_SAFE)}`,
  "sendgrid.key": `SG.${pick("sendgrid-a", 22, URL_SAFE)}.${pick("sendgrid-b", 43, URL_SAFE)}`,
  "twilio.token": pick("twilio", 32, HEX),
  "azure.account-key": `${noise("azure", 64).toString("base64")}`,
  "digitalocean.token": `dop_v1_${pick("digitalocean", 64, HEX)}`,
  "huggingface.token": `hf_${pick("huggingface", 34, ALPHANUMERIC)}`,
  "discord.token": `${pick("discord-a", 24, ALPHANUMERIC)}.${pick("discord-b", 6, URL_SAFE)}.${pick("discord-c", 38, URL_SAFE)}`,
  "jwt.session": jwt("session"),
  "pem.rsa": pem("RSA PRIVATE KEY", "rsa", 600),
  "pem.ec": pem("EC PRIVATE KEY", "ec", 121),
  "ssh.ed25519": pem("OPENSSH PRIVATE KEY", "ssh", 280),
  "age.identity": `AGE-SECRET-KEY-1${pick("age", 58, BECH32).toUpperCase()}`,
  "hex.key32": pick("hex", 64, HEX),
  "hex.upper": pick("hex-upper", 64, HEX).toUpperCase(),
  "base64.key32": noise("base64", 32).toString("base64"),
  "base64url.key64": noise("base64url", 64).toString("base64url"),
  "words.twenty-four": words("words", 24),
  "password.spaces": `  ${words("spaces", 4)}  `,
  "password.unicode": `пароль-${pick("unicode", 10, ALPHANUMERIC)}-密码-🗝️-ñandú`,
  "password.newlines": `${pick("line-a", 12, ALPHANUMERIC)}\n${pick("line-b", 12, ALPHANUMERIC)}\r\n\t${pick("line-c", 12, ALPHANUMERIC)}\n`,
  "password.shell": `$(${pick("shell-a", 8, LOWER)})\`"'\\;&|<>*?${pick("shell-b", 12, ALPHANUMERIC)} --flag=!#%`,
  "postgres.url": `postgres://scout:${pick("postgres", 24, ALPHANUMERIC)}@db.example:5432/agents?sslmode=require`,
  "redis.url": `rediss://:${pick("redis", 32, ALPHANUMERIC)}@cache.example:6380/0`,
  "json.service-account": JSON.stringify({ type: "service_account", private_key: pem("PRIVATE KEY", "service", 300) }),
};

const BYTES: Readonly<Record<string, Buffer>> = {
  "binary.key32": noise("binary", 32),
  "binary.zeros": Buffer.concat([Buffer.alloc(4), noise("zeros", 24), Buffer.alloc(4), Buffer.from("\n")]),
  "binary.long": noise("long", 16_000),
};

export const PLANTED_SECRETS: readonly PlantedSecret[] = [
  ...Object.entries(TEXTS).map(([name, text]) => ({ name, value: Buffer.from(text), isText: true })),
  ...Object.entries(BYTES).map(([name, value]) => ({ name, value, isText: false })),
];

/** Where one begins and ends does not matter to who finds it: this much of its middle is enough to look for. */
const PROBE_BYTES = 48;

/** A secret in every spelling in which it could lie about: raw, hexadecimal, base64 at each alignment, JSON. */
export function spellingsOf({ value, isText }: PlantedSecret): Buffer[] {
  const start = Math.max(0, (value.length - PROBE_BYTES) >> 1);
  const trimmed = value.subarray(start, start + PROBE_BYTES);
  const hex = trimmed.toString("hex");
  const aligned = [0, 1, 2].map((skip) => {
    const part = trimmed.subarray(skip);
    return part.subarray(0, part.length - (part.length % 3));
  });
  const texts = [hex, hex.toUpperCase()];
  for (const part of aligned) texts.push(part.toString("base64"), part.toString("base64url"));
  if (isText) texts.push(JSON.stringify(value.toString()).slice(1, -1));
  return [trimmed, ...texts.map((text) => Buffer.from(text))];
}

const ALL = PLANTED_SECRETS.map((secret) => ({ name: secret.name, spellings: spellingsOf(secret) }));

/** The names of the secrets that these bytes hold in any spelling, also after gunzip. */
export function plantedIn(bytes: Uint8Array): string[] {
  const texts = [Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)];
  for (
    let at = texts[0]!.indexOf("\x1f\x8b\x08", 0, "latin1");
    at >= 0;
    at = texts[0]!.indexOf("\x1f\x8b\x08", at + 1, "latin1")
  ) {
    try {
      texts.push(gunzipSync(texts[0]!.subarray(at)));
    } catch {
      // It only looked like gzip, or something follows it.
    }
  }
  return ALL.filter(({ spellings }) => texts.some((text) => spellings.some((spelling) => text.includes(spelling)))).map(
    ({ name }) => name,
  );
}

/** Every file below a folder that holds a planted secret: "name in path". `files` counts what was looked at. */
export function plantedBelow(folder: string): { readonly found: string[]; readonly files: number } {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(folder, name), { throwIfNoEntry: false })?.isFile(),
  );
  const found = names.flatMap((name) =>
    plantedIn(readFileSync(join(folder, name))).map((secret) => `${secret} in ${name}`),
  );
  return { found, files: names.length };
}
