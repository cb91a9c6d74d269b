import { AntsError } from "../errors.js";

/** Octets of a host name (RFC 1035 section 2.3.4). */
const MAX_HOST_CHARACTERS = 253;
/** A relay's whole URL: a long host name and a path. Two dozen of them still fit one operation. */
const MAX_URL_CHARACTERS = 512;

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const HOST = `${LABEL}(?:\\.${LABEL})*`;
const HOST_ONLY = new RegExp(`^${HOST}$`);
const RELAY_URL = new RegExp(
  `^(wss?)://(?:(${HOST})|\\[[0-9a-f:.]{2,45}\\])(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9._~-]+)*)$`,
);
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;
const DEFAULT_PORT: Readonly<Record<string, string>> = { ws: "80", wss: "443" };

/** A host name (or IPv4 address) in lower case, not too long for the DNS. */
export function isHost(text: string): boolean {
  return text.length <= MAX_HOST_CHARACTERS && HOST_ONLY.test(text);
}

/**
 * The one spelling of a relay's URL, so that two texts name the same relay only if they are equal:
 * ```
 * url  = ("ws" / "wss") "://" host [":" port] *("/" segment)
 * ```
 * host in lower case (IPv6 in brackets), no default port, no user, query or fragment, no "." or ".." segment, no
 * percent-encoding and no slash at the end.
 */
export function isRelayUrl(text: unknown): text is string {
  if (typeof text !== "string" || text.length > MAX_URL_CHARACTERS) return false;
  const match = RELAY_URL.exec(text);
  if (match === null) return false;
  const [, scheme, host, port, path] = match;
  if (host !== undefined && host.length > MAX_HOST_CHARACTERS) return false;
  if (port !== undefined && (Number(port) > 65_535 || DEFAULT_PORT[scheme!] === port)) return false;
  return !DOT_SEGMENT.test(path!);
}

/**
 * Brings what a person typed (`WSS://Relay.Example:443/`) to its one spelling. Throws AntsError "relay-url" for what
 * has none.
 */
export function normalizeRelayUrl(text: string): string {
  let spelling: string | undefined;
  try {
    spelling = new URL(text.trim()).href.replace(/\/+$/, "");
  } catch {
    spelling = undefined;
  }
  if (isRelayUrl(spelling)) return spelling;
  throw new AntsError("relay-url", `expected the URL of a relay, got ${JSON.stringify(text.slice(0, 80))}`, {
    hint: "give an address like wss://relay.example or ws://127.0.0.1:7777",
  });
}
