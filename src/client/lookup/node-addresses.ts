import { lookup } from "node:dns";
import { Resolver } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { AntsError } from "../../../keys/errors.js";
import { isPrivateAddress } from "../private-hosts.js";

interface Address {
  readonly address: string;
  readonly family: number;
}

/** How long the DNS may take for one try, and how many tries there are: within the 5 s of a whole fetch. */
const TRY_MS = 1_000;
const TRIES = 2;

/** A resolver of its own: nothing that it hears is remembered beyond it. `servers`: `address[:port]`, the system's unless given. */
export function dnsResolver(servers: readonly string[] | undefined): Resolver {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  return resolver;
}

/** Is this how the DNS says that there is no such name, or no such record? Everything else is an outage. */
export function saysNothing(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "ENOTFOUND" || code === "ENODATA";
}

/**
 * A name's addresses for net.connect. It fails where one of them is not of the public internet and `publicOnly` is set,
 * with "private-address"; and with "host-unknown" where the DNS answers that there are none.
 */
export function addressLookup(publicOnly: boolean, servers?: readonly string[]): LookupFunction {
  return (hostname, options, callback) => {
    const given = (addresses: readonly Address[]): void => {
      const inside = publicOnly ? addresses.find(({ address }) => isPrivateAddress(address)) : undefined;
      const [first] = addresses;
      if (inside !== undefined) callback(privateAddress(hostname, inside.address), []);
      else if (first === undefined) callback(hostUnknown(hostname), []);
      else if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    };
    const failed = (error: NodeJS.ErrnoException) => callback(error, []);
    if (servers !== undefined) {
      askDns(hostname, servers).then(given, failed);
      return;
    }
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error === null) given(addresses);
      // The system's own lookup says this also where it reaches no DNS at all.
      else if (error.code === "ENOTFOUND") askDns(hostname, undefined).then(given, failed);
      else failed(error);
    });
  };
}

/** From the DNS alone; none where it answers that there are none. Rejects with its error where it doesn't answer. */
async function askDns(hostname: string, servers: readonly string[] | undefined): Promise<Address[]> {
  const resolver = dnsResolver(servers);
  const nothing = (error: unknown): string[] => {
    if (saysNothing(error)) return [];
    throw error;
  };
  const [v4, v6] = await Promise.all([
    resolver.resolve4(hostname).catch(nothing),
    resolver.resolve6(hostname).catch(nothing),
  ]);
  return [...v4.map((address) => ({ address, family: 4 })), ...v6.map((address) => ({ address, family: 6 }))];
}

function privateAddress(hostname: string, address: string): AntsError {
  return new AntsError("private-address", `${hostname} is ${address}, which is not a public address`, {
    details: { hostname, address },
  });
}

function hostUnknown(hostname: string): AntsError {
  return new AntsError("host-unknown", `the DNS has no address of ${hostname}`, { details: { hostname } });
}
