import { isAntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { AgentHome, homeLayout } from "../agent/home.js";
import { KnownIdentities } from "../client/known-identities.js";
import { systemPorts } from "../client/ports.js";
import { Resolver } from "../client/resolver.js";
import type { CommandContext } from "./context.js";
import { knownFolder } from "./places.js";
import { relayUrl } from "./relay-url-option.js";

export interface ResolvingOptions {
  /** What was typed after --relay; the relays of this home's agent where nothing was. */
  readonly relay?: readonly string[];
  /** Names may lead into this machine's own network. */
  readonly allowPrivate?: boolean;
  /** The command that asks, for the hint of a usage error. */
  readonly command?: string;
}

/**
 * The resolver of a command. What it learns of other agents is kept in the home, since it is the agent's own knowledge
 * and goes where the agent goes; without a home, in $XDG_STATE_HOME. Throws "usage", "home-damaged", disk errors.
 */
export async function resolverOf(context: CommandContext, options: ResolvingOptions = {}): Promise<Resolver> {
  const { relay, allowPrivate = false, command = "resolve" } = options;
  const home = await homeIfAny(context.home);
  const own = home?.identity.newest?.op.relays.map(({ url }) => url) ?? [];
  const folder = home === undefined ? knownFolder(context.env) : homeLayout(home.path).known;
  return new Resolver(
    {
      relays: relay === undefined ? own : relay.map((text) => relayUrl(text, command)),
      known: new KnownIdentities(nodeDisk, folder),
      allowPrivate,
    },
    systemPorts,
  );
}

async function homeIfAny(path: string): Promise<AgentHome | undefined> {
  try {
    return await AgentHome.open(nodeDisk, path);
  } catch (error) {
    if (isAntsError(error, "home-missing")) return undefined;
    throw error;
  }
}
