/** Under which URLs a relay is known: the one that it states, and those by which its own machine reaches it. */
import type { AddressInfo } from "node:net";
import { isIPv6 } from "node:net";
import { isHandle } from "../keys/identity/handle.js";
import { normalizeRelayUrl } from "../keys/identity/relay-url.js";
import type { RelayConfig } from "./config.js";

export interface RelayUrls {
  /** Called once, when the port is known; before, only a public URL is known. */
  listensOn(address: AddressInfo): void;
  /** The URL in `hello`, and in whose name heads are signed. */
  own(): string;
  /** Every URL that an auth line may name. */
  all(): readonly string[];
}

/**
 * Auth lines name the URL that the client dialled; a relay accepts its own names only, and never what a request's Host
 * header claims, or another relay could pass a client's line on.
 */
export function relayUrls({ host, publicUrl }: Pick<RelayConfig, "host" | "publicUrl">): RelayUrls {
  let own = publicUrl;
  let all: readonly string[] = [];
  return {
    listensOn(address) {
      if (publicUrl === "") own = urlOf(reachable(host), address.port);
      all = [own, ...localNames(host).map((name) => urlOf(name, address.port))];
    },
    own: () => own,
    all: () => all,
  };
}

/**
 * What stands behind the "@" of the handles that a relay at this URL gives: its host, with a port that is not the usual
 * one. Undefined where no handle can name it: an IPv6 address, or a URL that is not known yet.
 */
export function handleHostOf(url: string): string | undefined {
  const host = url === "" ? "" : new URL(url).host;
  return isHandle(`any@${host}`) ? host : undefined;
}

/** The names by which this machine reaches a server that listens on `host`. */
function localNames(host: string): string[] {
  const loopback = ["127.0.0.1", "localhost", "::1"];
  if (host === "0.0.0.0" || host === "::") return loopback;
  return loopback.includes(host) ? ["localhost", host] : [host];
}

/** What can be dialled instead of an address that means every interface. */
function reachable(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}

function urlOf(host: string, port: number): string {
  return normalizeRelayUrl(`ws://${isIPv6(host) ? `[${host}]` : host}:${port}`);
}
