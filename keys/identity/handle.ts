import { isHost } from "./relay-url.js";

/** Where a handle is looked up: by WebFinger at `host` (and its port), or in the DNS of `host` itself. */
export type Handle =
  | { readonly kind: "account"; readonly name: string; readonly host: string; readonly port?: number }
  | { readonly kind: "domain"; readonly host: string };

const ACCOUNT = /^([a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)@([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?$/;
/** A last label that begins with a letter: what begins with a digit could be read as an IPv4 address. */
const NAMED_ZONE = /\.[a-z][a-z0-9-]*$/;

/**
 * Reads a handle in its one spelling, all in lower case; undefined for anything else.
 * ```
 * handle  = account / domain
 * account = name "@" host [":" port]     name: a–z 0–9, inside also "." "_" "-"; 1 to 64 characters
 * domain  = host                         at least two labels, the last one beginning with a letter
 * ```
 * International names are written in their xn-- form.
 */
export function parseHandle(text: string): Handle | undefined {
  const match = ACCOUNT.exec(text);
  if (match === null) return isHost(text) && NAMED_ZONE.test(text) ? { kind: "domain", host: text } : undefined;
  const [, name, host, port] = match;
  if (!isHost(host!) || Number(port ?? 0) > 65_535) return undefined;
  return { kind: "account", name: name!, host: host!, ...(port === undefined ? {} : { port: Number(port) }) };
}

/** Is this a handle in its one spelling? */
export function isHandle(text: unknown): text is string {
  return typeof text === "string" && parseHandle(text) !== undefined;
}
