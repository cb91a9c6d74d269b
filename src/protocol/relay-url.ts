/** Relay URLs: `ws:` or `wss:`, compared as URLs and not as text. */
import { MAX_URL_LENGTH } from "./limits.js";

/** True for a ws: or wss: URL of at most 512 characters, without fragment or credentials. */
export function isRelayUrl(value: unknown): value is string {
  if (typeof value !== "string" || value.length > MAX_URL_LENGTH) return false;
  const url = URL.parse === undefined ? parseUrl(value) : URL.parse(value);
  if (url === null || url.hash !== "" || url.username !== "" || url.password !== "") return false;
  return url.protocol === "ws:" || url.protocol === "wss:";
}

/** True when two relay URLs name the same place: host case, default ports and the empty path don't matter. */
export function sameRelay(a: string, b: string): boolean {
  return a === b || (isRelayUrl(a) && isRelayUrl(b) && new URL(a).href === new URL(b).href);
}

/** The host (with its port where it isn't the default) of a relay URL: the first half of a checkpoint's origin. */
export function relayHost(url: string): string {
  return new URL(url).host;
}

/** The same place spoken to by HTTP: `wss:` becomes `https:`, `ws:` becomes `http:`. */
export function httpUrlOf(relayUrl: string): string {
  return relayUrl.replace(/^ws/, "http");
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
