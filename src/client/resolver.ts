import { lookup as systemLookup } from "#lookup";
import type { Did } from "../../keys/did.js";
import { type HandleAnswer, lookUpHandle } from "./handle-lookup.js";
import { type Name, parseName } from "./handle-name.js";
import { IdentityLog } from "./identity-log.js";
import { searchRelays } from "./identity-search.js";
import { IdentityUnion } from "./identity-union.js";
import type { Pin, PinStore } from "./known-identities.js";
import type { Lookup } from "./lookup/lookup.js";
import type { ClientPorts } from "./ports.js";
import type { CachedHint, ResolutionCache } from "./resolution-cache.js";
import type { Asked, KnownAgent, ResolvedAgent } from "./resolved-agent.js";

export interface ResolverOptions {
  /** Asked for every DID, besides the relays that are found on the way. They may be inside of the reader's network. */
  readonly relays: readonly string[];
  /** The newest verified state of every agent that was met; without one, each resolution is a first meeting. */
  readonly known?: PinStore;
  /** What was found out lately; without one, everything is asked each time. */
  readonly cache?: ResolutionCache;
  /** Lets names and identities of others lead into this machine's own network, there also without TLS. Default false. */
  readonly allowPrivate?: boolean;
  /** How long each relay and each fetch may take. Default 5 s. */
  readonly timeoutMs?: number;
  /** An identity that its relays confirmed so lately is taken as it is pinned, unasked. Default 0: they are asked. */
  readonly maxAgeMs?: number;
}

export interface ResolverPorts extends ClientPorts {
  /** How names are looked up in the DNS and by HTTP; the machine's own way unless given. */
  readonly lookup?: Lookup;
}

export interface ResolveRequest {
  readonly signal?: AbortSignal;
  /** Ask again, whatever is cached. What is pinned stays. */
  readonly fresh?: boolean;
}

/** What a search for one DID begins with. */
interface Search {
  readonly name: string;
  readonly did: Did;
  readonly hinted: readonly string[];
  readonly asked: readonly Asked[];
  readonly fresh: boolean;
  readonly signal: AbortSignal;
}

type HandleName = Extract<Name, { kind: "handle" }>;

const TIMEOUT_MS = 5_000;
/** How long a hint is taken unasked: what the server says, within these bounds. The DNS client does not tell the TTL. */
const HINT_MS = { usual: 300_000, least: 60_000, most: 3_600_000 };

/**
 * From a handle to a DID to the agent's identity and relays, none of which is believed on its own (DESIGN 10): what
 * leads from the handle to the DID is a hint until the DID's identity log names the handle back, and that log is united
 * from every relay that has it and with what was known before.
 */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #ports: ResolverPorts;
  /** One search for a DID at a time, so that none pins what another has overtaken. */
  readonly #turns = new Map<Did, Promise<unknown>>();

  constructor(options: ResolverOptions, ports: ResolverPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * Resolves a DID, or a handle as `name@host`, `@name@host` or `name.example.com`. Whatever becomes of it is a result.
   * Throws AntsError "name-syntax" for what is neither, "pin-damaged", disk errors, or the signal's reason.
   */
  async resolve(text: string, request: ResolveRequest = {}): Promise<ResolvedAgent> {
    const { fresh = false, signal = new AbortController().signal } = request;
    signal.throwIfAborted();
    const name = parseName(text);
    if (name.kind === "handle") return this.#resolveHandle(name, fresh, signal);
    return this.#resolveDid({ name: name.text, did: name.text, hinted: [], asked: [], fresh, signal });
  }

  async #resolveHandle(name: HandleName, fresh: boolean, signal: AbortSignal): Promise<ResolvedAgent> {
    const { cache, allowPrivate = false, timeoutMs = TIMEOUT_MS } = this.#options;
    const { clock, lookup = systemLookup } = this.#ports;
    const { text } = name;
    const cached = await cache?.hint(text);
    const nowMs = clock.nowMs();
    if (!fresh && cached !== undefined && cached.atMs <= nowMs && nowMs < cached.untilMs) {
      const result = await this.#follow(name, cached, [fromCache(text, cached)], fresh, signal);
      if (result.status === "verified") return result;
    }
    const said = await lookUpHandle(text, name.handle, { lookup, clock, allowPrivate, timeoutMs, signal });
    if (said.answer === "failed") return this.#withoutHint(name, said, cached, signal);
    if (said.answer === "nothing") {
      await cache?.keepHint(text, undefined);
      return { status: "not-found", name: text, asked: said.asked, why: said.why };
    }
    const { dids, relays } = said.hint;
    if (dids.length > 1) {
      const why = `${text} leads to ${dids.length} DIDs, and a handle is one agent's`;
      return { status: "mismatch", name: text, asked: said.asked, handle: text, dids, why };
    }
    const result = await this.#follow(name, { did: dids[0]!, relays }, said.asked, fresh, signal);
    if (result.status === "verified") {
      const holdsMs = Math.min(Math.max(said.maxAgeMs ?? HINT_MS.usual, HINT_MS.least), HINT_MS.most);
      await cache?.keepHint(text, { did: result.did, relays, atMs: nowMs, untilMs: nowMs + holdsMs });
    } else if (result.status === "mismatch") await cache?.keepHint(text, undefined);
    return result;
  }

  /** Nobody said whose the handle is now: all there is, is where it led before. */
  async #withoutHint(
    name: HandleName,
    { asked, why }: Extract<HandleAnswer, { answer: "failed" }>,
    cached: CachedHint | undefined,
    signal: AbortSignal,
  ): Promise<ResolvedAgent> {
    const { text } = name;
    if (cached === undefined) return { status: "unreachable", name: text, asked, why };
    const result = await this.#follow(name, cached, [...asked, fromCache(text, cached)], false, signal);
    if (result.status === "verified") return { ...result, status: "stale", why, checkedMs: cached.atMs };
    if (result.status !== "mismatch" && result.status !== "not-found") return result;
    return { status: "unreachable", name: text, did: cached.did, asked: result.asked, why };
  }

  /** What a hint is worth: nothing, unless the identity log names the handle back. */
  async #follow(
    { text }: HandleName,
    { did, relays }: Pick<CachedHint, "did" | "relays">,
    asked: readonly Asked[],
    fresh: boolean,
    signal: AbortSignal,
  ): Promise<ResolvedAgent> {
    const result = await this.#resolveDid({ name: text, did, hinted: relays, asked, fresh, signal });
    if (!("state" in result)) return result.status === "conflicted" ? { ...result, handle: text } : result;
    if (result.state.head.op.handles.includes(text)) return { ...result, handle: text };
    if (result.status === "stale") {
      const why = `what is known of ${did} from before does not name ${text}, and ${result.why}`;
      return { status: "unreachable", name: text, did, asked: result.asked, why };
    }
    const { log, state } = result;
    const why = `${text} leads to ${did}, whose identity log does not name it`;
    const agent: KnownAgent = { did, log, state, relays: result.relays };
    return { status: "mismatch", name: text, asked: result.asked, handle: text, dids: [did], why, agent };
  }

  async #resolveDid(search: Search): Promise<ResolvedAgent> {
    const { did } = search;
    const last = this.#turns.get(did) ?? Promise.resolve();
    const turn = last.then(() => this.#search(search));
    const settled = turn.catch(() => undefined);
    this.#turns.set(did, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(did) === settled) this.#turns.delete(did);
    }
  }

  async #search({ name, did, hinted, asked: before, fresh, signal }: Search): Promise<ResolvedAgent> {
    const { known, cache, relays, allowPrivate = false, timeoutMs = TIMEOUT_MS } = this.#options;
    const { clock } = this.#ports;
    const pin = await known?.load(did);
    const union = new IdentityUnion(did, pin);
    const confirmedMs = await cache?.confirmedMs(did);
    const isConfirmed = !fresh && pin !== undefined && this.#isYoung(confirmedMs);
    const answers = isConfirmed
      ? [fromPin(did, pin)]
      : await searchRelays(union, { ports: this.#ports, own: relays, hinted, allowPrivate, timeoutMs, signal });
    const asked = [...before, ...answers];

    const resolution = union.resolve();
    if (resolution.status === "not-found") return nothingFound({ name, did, asked }, answers);
    const operations = union.operations();
    if (resolution.status === "conflicted") {
      const { rivals } = resolution;
      return { status: "conflicted", name, asked, did, rivals, log: new IdentityLog(did, operations) };
    }
    const { state } = resolution;
    await known?.save(did, { operations, head: state.head.hash }, pin);
    const log = new IdentityLog(did, operations, state.head.hash);
    const result = { name, asked, did, log, state, relays: state.head.op.relays };
    if (resolution.status === "deactivated") return { status: "deactivated", ...result };
    if (resolution.status === "contested") return { status: "contested", ...result, branches: resolution.branches };
    const why = isConfirmed ? undefined : whyStale(union, result);
    if (why !== undefined) {
      return { status: "stale", ...result, why, ...(confirmedMs === undefined ? {} : { checkedMs: confirmedMs }) };
    }
    if (!isConfirmed) await cache?.keepConfirmed(did, clock.nowMs());
    return { status: "verified", ...result };
  }

  /** A time that lies ahead was written under another clock, and says nothing. */
  #isYoung(confirmedMs: number | undefined): boolean {
    const ageMs = confirmedMs === undefined ? -1 : this.#ports.clock.nowMs() - confirmedMs;
    return ageMs >= 0 && ageMs < (this.#options.maxAgeMs ?? 0);
  }
}

function fromCache(handle: string, { did, relays }: CachedHint): Asked {
  return { place: "cache", address: handle, answer: "did", did, relays };
}

function fromPin(did: Did, { operations }: Pin): Asked {
  return { place: "pin", address: did, answer: "log", operations: operations.length };
}

function nothingFound(
  result: { readonly name: string; readonly did: Did; readonly asked: readonly Asked[] },
  answers: readonly Asked[],
): ResolvedAgent {
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
  if (relays.length === 0) return union.isServed ? undefined : "the agent names no relay, and no other has it";
  const answers = union.answersOf(relays);
  if (answers > faults) return undefined;
  return `${answers} of the agent's ${relays.length} relays answered, ${faults + 1} must`;
}
