import { type Did, isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { parseHandle } from "../../keys/identity/handle.js";
import { IdentityLog } from "./identity-log.js";
import { searchRelays } from "./identity-search.js";
import { IdentityUnion } from "./identity-union.js";
import type { PinStore } from "./known-identities.js";
import type { ClientPorts } from "./ports.js";
import type { Asked, KnownAgent, ResolvedAgent } from "./resolved-agent.js";

export interface ResolverOptions {
  /** Asked for every DID, besides the relays that are found on the way. They may be inside of the reader's network. */
  readonly relays: readonly string[];
  /** The newest verified state of every agent that was met; without one, each resolution is a first meeting. */
  readonly known?: PinStore;
  /** Lets names and identities of others lead into this machine's own network, there also without TLS. Default false. */
  readonly allowPrivate?: boolean;
  /** How long each relay and each fetch may take. Default 5 s. */
  readonly timeoutMs?: number;
}

export interface ResolveRequest {
  readonly signal?: AbortSignal;
  /** Ask again, whatever the cache says. */
  readonly fresh?: boolean;
}

const TIMEOUT_MS = 5_000;

/**
 * From a handle to a DID to the agent's identity and relays, none of which is believed on its own (DESIGN 10): what
 * leads from the handle to the DID is a hint until the DID's identity log names the handle back, and that log is united
 * from every relay that has it and with what was known before.
 */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #ports: ClientPorts;
  /** One search for a DID at a time, so that none pins what another has overtaken. */
  readonly #turns = new Map<Did, Promise<unknown>>();

  constructor(options: ResolverOptions, ports: ClientPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * Resolves a DID, or a handle as `name@host`, `@name@host` or `name.example.com`. Whatever becomes of it is a result.
   * Throws AntsError "name-syntax" for what is neither, "pin-damaged", disk errors, or the signal's reason.
   */
  async resolve(name: string, request: ResolveRequest = {}): Promise<ResolvedAgent> {
    const signal = request.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    if (isDid(name)) return this.#resolveDid(name, name, [], [], signal);
    if (parseHandle(name) !== undefined) throw new AntsError("name-syntax", "handles come next");
    throw new AntsError("name-syntax", `expected a handle or a DID, got ${JSON.stringify(name.slice(0, 80))}`, {
      hint: "write it like scout@relay.example, scout.example.com or did:ants:…",
    });
  }

  async #resolveDid(
    name: string,
    did: Did,
    hinted: readonly string[],
    before: readonly Asked[],
    signal: AbortSignal,
  ): Promise<ResolvedAgent> {
    const last = this.#turns.get(did) ?? Promise.resolve();
    const turn = last.then(() => this.#search(name, did, hinted, before, signal));
    const settled = turn.catch(() => undefined);
    this.#turns.set(did, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(did) === settled) this.#turns.delete(did);
    }
  }

  async #search(
    name: string,
    did: Did,
    hinted: readonly string[],
    before: readonly Asked[],
    signal: AbortSignal,
  ): Promise<ResolvedAgent> {
    const { known, relays, allowPrivate = false, timeoutMs = TIMEOUT_MS } = this.#options;
    const pin = await known?.load(did);
    const union = new IdentityUnion(did, pin);
    const ports = this.#ports;
    const answers = await searchRelays(union, { ports, own: relays, hinted, allowPrivate, timeoutMs, signal });
    const asked = [...before, ...answers];
    const resolution = union.resolve();
    if (resolution.status === "not-found") return nothingFound(name, did, asked, answers);
    const operations = union.operations();
    if (resolution.status === "conflicted") {
      return {
        status: "conflicted",
        name,
        asked,
        did,
        rivals: resolution.rivals,
        log: new IdentityLog(did, operations),
      };
    }
    const { state } = resolution;
    await known?.save(did, { operations, head: state.head.hash }, pin);
    const log = new IdentityLog(did, operations, state.head.hash);
    const agent: KnownAgent = { did, log, state, relays: state.head.op.relays };
    const result = { name, asked, ...agent };
    if (resolution.status === "deactivated") return { status: "deactivated", ...result };
    if (resolution.status === "contested") {
      return { status: "contested", ...result, branches: resolution.branches };
    }
    const why = whyStale(union, agent);
    return why === undefined ? { status: "verified", ...result } : { status: "stale", ...result, why };
  }
}

function nothingFound(name: string, did: Did, asked: readonly Asked[], answers: readonly Asked[]): ResolvedAgent {
  const result = { name, did, asked };
  if (answers.length === 0) return { status: "unreachable", ...result, why: "no relay is known to ask" };
  if (answers.every(({ answer }) => answer === "nothing")) {
    return { status: "not-found", ...result, why: "no relay that was asked has this agent" };
  }
  return { status: "unreachable", ...result, why: "not every relay that could have this agent answered" };
}

/**
 * An identity is confirmed by more of its own relays than may lie. Others serve it as well, but an agent doesn't tell
 * them of its next operation.
 */
function whyStale(union: IdentityUnion, { state }: KnownAgent): string | undefined {
  const { relays, faults } = state.head.op;
  const needed = Math.min(faults + 1, relays.length);
  const answers = union.answersOf(state.head);
  if (answers >= needed) return undefined;
  return `${answers} of the agent's ${relays.length} relays answered, ${needed} must`;
}
