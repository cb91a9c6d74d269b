/** What else a relay's URL says; its spelling is a matter of keys/identity/relay-url.ts. */

/** The host (with its port where it isn't the default) of a relay URL: the first half of a checkpoint's origin. */
export function relayHost(url: string): string {
  return new URL(url).host;
}

/** The same place spoken to by HTTP: `wss:` becomes `https:`, `ws:` becomes `http:`. */
export function httpUrlOf(relayUrl: string): string {
  return relayUrl.replace(/^ws/, "http");
}
