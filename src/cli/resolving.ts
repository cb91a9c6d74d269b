import { isAntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { AgentHome, homeLayout } from "../agent/home.js";
import { KnownIdentities } from "../client/known-identities.js";
import { createNodeLookup } from "../client/lookup/node.js";
import { systemPorts } from "../client/ports.js";
import { DiskResolutionCache } from "../client/resolution-cache.js";
import { Resolver, type ResolverPorts } from "../client/resolver.js";
import { dialAsking } from "../client/socket/node.js";
import type { CommandContext } from "./context.js";
import { allowsPrivate, cacheFolder, knownFolder } from "./places.js";
import { relayUrl } from "./relay-url-option.js";
import { usageError } from "./usage.js";

export interface ResolvingOptions {
  /** What was typed after --relay; the relays of this home's agent where nothing was. */
  readonly relay?: readonly string[];
  /** Names may lead into this machine's own network; ANTS_ALLOW_PRIVATE says so as well. */
  readonly allowPrivate?: boolean;
  /** DNS servers that were typed after --dns; else those of ANTS_DNS, else the system's. */
  readonly dns?: readonly string[];
}

/**
 * The resolver of a command. What it verifies of other agents is kept in the home, since it is the agent's own knowledge
 * and goes where the agent goes; without a home, in $XDG_STATE_HOME. What is merely recent is in $XDG_CACHE_HOME.
 *
 * `command`: the words that name the command, for the hint of a usage error. Throws "usage", "home-damaged", disk errors.
 */
export async function resolverOf(
  context: CommandContext,
  options: ResolvingOptions = {},
  command = "resolve",
): Promise<Resolver> {
  const { env, out } = context;
  const home = await homeIfAny(context.home);
  const own = home?.identity.newest?.op.relays.map(({ url }) => url) ?? [];
  const known = home === undefined ? knownFolder(env) : homeLayout(home.path).known;
  let told = false;
  const trouble = (why: string) => {
    if (!told) out.note(`${why}; nothing is remembered but what was verified`);
    told = true;
  };
  return new Resolver(
    {
      relays: options.relay?.map((text) => relayUrl(text, command)) ?? own,
      known: new KnownIdentities(nodeDisk, known),
      cache: new DiskResolutionCache(nodeDisk, cacheFolder(env), trouble),
      allowPrivate: options.allowPrivate ?? allowsPrivate(env),
    },
    portsAsking(options.dns ?? serversIn(env.ANTS_DNS), command),
  );
}

function portsAsking(dnsServers: readonly string[], command: string): ResolverPorts {
  if (dnsServers.length === 0) return systemPorts;
  try {
    const lookup = createNodeLookup(dnsServers);
    return { ...systemPorts, dial: dialAsking(dnsServers), lookup };
  } catch {
    throw usageError(`--dns ${dnsServers.join(" ")}: expected the address of a DNS server, like 192.0.2.1:53`, command);
  }
}

function serversIn(value = ""): string[] {
  return value.split(/[\s,]+/).filter((server) => server !== "");
}

async function homeIfAny(path: string): Promise<AgentHome | undefined> {
  try {
    return await AgentHome.open(nodeDisk, path);
  } catch (error) {
    if (isAntsError(error, "home-missing")) return undefined;
    throw error;
  }
}
