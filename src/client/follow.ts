import { AntsError } from "../../keys/errors.js";
import type { Filter } from "../protocol/filter.js";
import { AuthorChains, type EventSources } from "./author-chains.js";
import { RelayConnection } from "./connection.js";
import { ContestWatch } from "./contest-watch.js";
import { LinkedAbort } from "./deadline.js";
import { Delivery, MAX_FOLLOWED_RELAYS } from "./delivery.js";
import type { FollowItem } from "./follow-item.js";
import type { FollowOptions } from "./follow-options.js";
import { EMPTY_STATE, type FollowState } from "./follow-state.js";
import { FollowedAgents } from "./followed-agents.js";
import { ForkWatch } from "./fork-watch.js";
import { Identities } from "./identities.js";
import { IdentityLog } from "./identity-log.js";
import { onAbort } from "./on-abort.js";
import { type ClientPorts, systemPorts } from "./ports.js";
import { isPrivateHost } from "./private-hosts.js";
import { hasQuorum } from "./quorum.js";
import { RelayReader } from "./relay-reader.js";
import { WithheldIds } from "./withheld-ids.js";

export type { FollowedAgent, FollowOptions } from "./follow-options.js";

/**
 * Reads several relays as one: an iterable of verified items, in which every event comes once and in the order of its
 * author's chain, whichever relay had it first. Reconnects by itself; one relay that fails or lies never stops the
 * others, and what is wrong with it is an item, too.
 *
 * Gaps and superseded events are told of where whole chains are read (no `kinds`, `to`, `tags` in the filter). Memory
 * is bounded: 4,096 authors, 256 events back of each, 65,536 ids across relays; see the state for what a restart keeps.
 *
 * Ends when `live: false` has read everything, or when it is closed. Throws the signal's reason; and, when no relay can
 * be read any more, the last problem as an error.
 */
export function follow(options: FollowOptions, ports: ClientPorts = systemPorts): Following {
  const { relays = [], agents = [], filter = {} } = options;
  const { length } = relays;
  if ((length === 0 && agents.length === 0) || length > MAX_FOLLOWED_RELAYS || new Set(relays).size !== length) {
    throw new AntsError("follow-relays", `expected 1 to ${MAX_FOLLOWED_RELAYS} different relays, got ${length}`);
  }
  if (agents.length > 0 && (!readsChains(filter) || agents.length > MAX_FOLLOWED_AGENTS)) {
    const most = `at most ${MAX_FOLLOWED_AGENTS} agents, and no kinds, to or tags in the filter`;
    throw new AntsError("follow-agents", `agents are followed by whole chains: expected ${most}`);
  }
  return new Following(options, ports);
}

/** Whether the filter lets whole chains through. */
function readsChains({ kinds, to, tags }: Filter): boolean {
  return kinds === undefined && to === undefined && tags === undefined;
}

/** Connections to relays that authors name: every one that was ever needed would pile up. */
const MAX_GUESTS = 16;
/** Of one author's relays, how many are asked for what is missing: the author chooses them, the reader waits. */
const MAX_NAMED = 8;
/** As many DIDs as a filter may name. */
const MAX_FOLLOWED_AGENTS = 256;
/** How often relays that a followed agent left are asked what they know of its identity. */
const LOOK_BACK_MS = 600_000;

/** A relay that is read. */
interface Reading {
  readonly reader: RelayReader;
  readonly connection: RelayConnection;
  readonly abort: LinkedAbort;
  /** The stream that an agent names, where one does. */
  readonly stream: string | undefined;
}

/** A follow under way. One consumer. */
export class Following implements AsyncIterableIterator<FollowItem> {
  readonly #options: FollowOptions;
  readonly #ports: ClientPorts;
  readonly #state: FollowState;
  readonly #filter: Filter;
  readonly #delivery: Delivery;
  readonly #identities: Identities;
  readonly #chains: AuthorChains | undefined;
  readonly #agents: FollowedAgents;
  readonly #forks: ForkWatch;
  readonly #contests: ContestWatch;
  readonly #withheldBy = new WithheldIds();
  readonly #abort: LinkedAbort;
  readonly #readings = new Map<string, Reading>();
  /** Runs of readers that are not over. */
  readonly #runs = new Set<Promise<void>>();
  /** How the readers ended that nobody stopped. */
  readonly #ends: (AntsError | undefined)[] = [];
  /** Relays that authors name and this follow does not, the one that was met first leaves first. */
  readonly #guests = new Map<string, RelayConnection>();
  readonly #closing = new Set<Promise<void>>();
  readonly #detach: () => void;
  readonly #running: Promise<void>;

  constructor(options: FollowOptions, ports: ClientPorts) {
    const { relays = [], agents = [], state = EMPTY_STATE, after = "start" } = options;
    const dids = agents.map(({ did }) => did);
    const { filter = agents.length > 0 && relays.length === 0 ? { dids } : {} } = options;
    this.#options = options;
    this.#ports = ports;
    this.#state = state;
    this.#filter = filter;
    this.#abort = new LinkedAbort(options.signal);
    const known = agents.flatMap(({ did, operations }) =>
      new IdentityLog(did, [...operations, ...(state.agents?.[did]?.operations ?? [])]).operations(),
    );
    const operations = [...(options.identities ?? []), ...known];
    this.#identities = new Identities(ports.clock, operations, dids, (did) => {
      this.#contests.look(did);
      this.#review();
    });
    this.#agents = new FollowedAgents(this.#identities, dids, (url) => this.#mayDial(url));
    const first = this.#relaysAtFirst();
    this.#delivery = new Delivery([...first.keys()], state, dids);
    this.#contests = new ContestWatch(this.#identities, (item) => this.#delivery.push(item));
    for (const did of new Set(operations.map(({ did }) => did))) this.#contests.look(did);
    const { signal } = this.#abort;
    this.#forks = new ForkWatch({
      ports,
      signal,
      push: (item) => this.#delivery.push(item),
      sources: (did) => this.#sources(did, ""),
    });
    this.#chains = readsChains(filter)
      ? new AuthorChains({
          delivery: this.#delivery,
          identities: this.#identities,
          ports,
          signal,
          state,
          fromStart: after === "start",
          isHosted: (did) => [...this.#readings.values()].some(({ reader }) => reader.hosts(did)),
          sources: (did, relay) => this.#sources(did, relay),
          forked: (event, rivalId) => this.#forks.found(event, rivalId),
        })
      : undefined;
    const given = options.signal;
    this.#detach = given === undefined ? () => {} : onAbort(given, () => this.#delivery.abort(given.reason));
    for (const relay of first.values()) this.#join(relay);
    this.#running = this.#run();
  }

  next(): Promise<IteratorResult<FollowItem>> {
    return this.#delivery.next();
  }

  /** URLs of the relays that are read now: they change where `agents` are followed. */
  get relays(): readonly string[] {
    return [...this.#readings.keys()];
  }

  /**
   * How far this follow is: every item given out so far, the one that the consumer holds included. Call it when that
   * one is processed, and store it with what you made of the items.
   */
  state(): FollowState {
    const state = this.#delivery.state();
    if (this.#agents.isEmpty) return state;
    return { ...state, agents: this.#agents.state((did) => this.#delivery.tipOf(did)) };
  }

  /** Ends it; resolves when nothing of it is left running. */
  async close(): Promise<void> {
    this.#abort.abort(new AntsError("closed", "the follow was closed"));
    await this.#running;
  }

  async return(): Promise<IteratorResult<FollowItem>> {
    await this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Those that were chosen, those that the agents name, and where an earlier follow was still reading them. */
  #relaysAtFirst(): Map<string, { readonly url: string; readonly stream?: string }> {
    const { relays = [], agents = [] } = this.#options;
    const first = new Map<string, { readonly url: string; readonly stream?: string }>();
    for (const url of relays) first.set(url, { url });
    const before = Object.keys(this.#state.relays).filter((url) => this.#agents.formerly(url).length > 0);
    for (const relay of [...this.#agents.relays(), ...before.map((url) => ({ url }))]) {
      if (!first.has(relay.url) && first.size < MAX_FOLLOWED_RELAYS) first.set(relay.url, relay);
    }
    if (first.size > 0) return first;
    throw new AntsError("follow-relays", "none of the relays that these agents name may be dialled", {
      hint: "name a relay to read them from; relays inside of this machine's network are read only when allowed",
      details: { dids: agents.map(({ did }) => did) },
    });
  }

  async #run(): Promise<void> {
    const { signal, live = true } = this.#options;
    let failure: { error: unknown } | undefined;
    const lookingBack = live && !this.#agents.isEmpty ? this.#lookBack() : undefined;
    try {
      // Relays join and leave meanwhile.
      while (this.#runs.size > 0) await Promise.race(this.#runs);
      if (!this.#abort.signal.aborted) await this.#forks.settled();
      const isClosed = this.#abort.signal.aborted;
      if (!isClosed && this.#ends.every((end) => end !== undefined)) failure = { error: this.#ends[0] };
    } catch (error) {
      failure = { error };
    }
    this.#abort.abort(new AntsError("closed", "the follow was closed"));
    await Promise.allSettled(this.#runs);
    await lookingBack;
    await this.#forks.settled();
    this.#detach();
    if (signal?.aborted) this.#delivery.abort(signal.reason);
    else this.#delivery.close(failure);
    const connections = [...[...this.#readings.values()].map(({ connection }) => connection), ...this.#guests.values()];
    await Promise.all([...connections.map((each) => each.close()), ...this.#closing]);
  }

  /** Begins to read one more relay. */
  #join({ url, stream }: { readonly url: string; readonly stream?: string }): void {
    if (!this.#delivery.join(url)) return;
    const { after = "start", live = true, allowGap = false, proofs = "sampled", authLine } = this.#options;
    const publicOnly =
      this.#options.relays?.includes(url) !== true && this.#options.mayDial === undefined && !this.#isInside;
    const settings = { ...this.#options.connection, ...(authLine === undefined ? {} : { authLine }), publicOnly };
    const connection = new RelayConnection(url, this.#ports, settings);
    const abort = new LinkedAbort(this.#abort.signal);
    const known = this.#state.relays[url];
    const reader = new RelayReader({
      connection,
      ports: this.#ports,
      signal: abort.signal,
      delivery: this.#delivery,
      identities: this.#identities,
      chains: this.#chains,
      others: () =>
        [...this.#readings.values()].flatMap((other) => (other.connection === connection ? [] : [other.connection])),
      withheldBy: this.#withheldBy,
      filter: this.#filter,
      live,
      allowGap,
      proofs,
      ...(this.#options.onlyAuthenticated === true && authLine !== undefined ? { authLine } : {}),
      after: typeof after === "string" ? after : (after[url] ?? "start"),
      // Another incarnation than the one that was read is another log.
      known: stream === undefined || known?.stream === stream ? known : undefined,
      progressed: () => this.#review(),
    });
    this.#readings.set(url, { reader, connection, abort, stream });
    const run = reader.run().then((end) => {
      this.#runs.delete(run);
      if (!abort.signal.aborted || this.#abort.signal.aborted) this.#ends.push(end);
      this.#review();
    });
    this.#runs.add(run);
  }

  /** Reads a relay no longer. What it showed is given out all the same. */
  #leave(url: string): void {
    const { connection, abort } = this.#readings.get(url)!;
    this.#readings.delete(url);
    abort.abort(new AntsError("closed", `${url} is no longer followed`));
    this.#delivery.leave(url);
    this.#close(connection);
  }

  /** Reads what the agents' identities name by now, and lets go of what they have left behind. */
  #review(): void {
    if (this.#agents.isEmpty || this.#abort.signal.aborted) return;
    const wanted = new Map(this.#agents.relays().map((relay) => [relay.url, relay]));
    for (const url of this.#options.relays ?? []) wanted.delete(url);
    for (const [url, { stream }] of [...this.#readings]) {
      if (this.#options.relays?.includes(url) === true) continue;
      const now = wanted.get(url);
      if (now === undefined ? this.#isLeftBehind(url) : stream !== undefined && stream !== now.stream) this.#leave(url);
    }
    for (const relay of wanted.values()) if (!this.#readings.has(relay.url)) this.#join(relay);
  }

  /** Whether the agents that were here have shown elsewhere all that this follow has of them, and this relay no more. */
  #isLeftBehind(url: string): boolean {
    if (!this.#readings.get(url)!.reader.isExhausted) return false;
    return this.#agents.formerly(url).every(({ did, set }) => {
      const tip = this.#chains?.tipOf(did);
      return hasQuorum(set, (key) => {
        const reader = this.#readings.get(key.slice(0, key.indexOf(" ")))?.reader;
        return reader !== undefined && (tip === undefined ? reader.isCaughtUp : reader.reached(did, tip));
      });
    });
  }

  /**
   * Asks relays that the agents left what they know of their identities, now and then: an owner who takes an identity
   * back from a thief is heard at the old relays, not at those that the thief chose.
   */
  async #lookBack(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      for (const { did, url } of this.#agents.left()) {
        if (signal.aborted || this.#readings.has(url)) continue;
        const relay = this.#visit(url);
        await this.#identities.read(did, relay, signal).catch(() => undefined);
      }
      await this.#ports.clock.sleep(LOOK_BACK_MS, signal).catch(() => undefined);
    }
  }

  /** A relay that an author names: kept for a while, since more of the same author may be missing. */
  #visit(url: string): RelayConnection {
    const known = this.#readings.get(url)?.connection ?? this.#guests.get(url);
    if (known !== undefined) return known;
    const { authLine: _, ...options } = this.#options.connection ?? {};
    const publicOnly = this.#options.mayDial === undefined && !this.#isInside;
    const guest = new RelayConnection(url, this.#ports, { ...options, publicOnly });
    this.#guests.set(url, guest);
    if (this.#guests.size > MAX_GUESTS) {
      for (const [oldest, connection] of this.#guests) {
        this.#guests.delete(oldest);
        this.#close(connection);
        break;
      }
    }
    return guest;
  }

  #close(connection: RelayConnection): void {
    const closing = connection.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** All relays that were chosen are on this machine or its network: then so may be what authors name. */
  get #isInside(): boolean {
    const { relays = [] } = this.#options;
    return relays.length > 0 && relays.every(isPrivateHost);
  }

  #mayDial(url: string): boolean {
    const { mayDial = (url: string) => url.startsWith("wss:") && (this.#isInside || !isPrivateHost(url)) } =
      this.#options;
    return mayDial(url);
  }

  /** The relays of the follow, the one where something is missing by another way; and those that the author names. */
  #sources(did: string, relay: string): EventSources {
    const mine = [...this.#readings.keys()].filter((url) => url !== relay);
    const named = this.#identities.logOf(did).newest?.op.relays.map(({ url }) => url) ?? [];
    const guests = named.filter((url) => !this.#readings.has(url) && this.#mayDial(url)).slice(0, MAX_NAMED);
    return {
      mine: [...mine, relay].flatMap((url) => this.#readings.get(url)?.connection ?? []),
      guests: () => guests.map((url) => this.#visit(url)),
      own: () => named.filter((url) => this.#readings.has(url) || guests.includes(url)).map((url) => this.#visit(url)),
    };
  }
}
