/** Whom a connection comes from, as far as limits go. */
import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";

/**
 * The address that limits count by: IPv4 whole, IPv6 by its /64, which is what one customer gets. `trustProxy` takes
 * the last X-Forwarded-For value, the one that the nearest proxy wrote.
 */
export function clientAddress(request: IncomingMessage, trustProxy: boolean): string {
  const forwarded = trustProxy ? lastOf(request.headers["x-forwarded-for"]) : undefined;
  return addressGroup(forwarded ?? request.socket.remoteAddress ?? "unknown");
}

/** An IPv4 address as it is, also when written as IPv6; of an IPv6 address its first 64 bits. */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!isIPv6(bare)) return bare;
  const [head = "", tail] = bare.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = tail === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill("0"), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

function lastOf(header: string | string[] | undefined): string | undefined {
  const last = String(header ?? "")
    .split(",")
    .at(-1)
    ?.trim();
  return last === "" ? undefined : last;
}
