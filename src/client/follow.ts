import { AntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Filter } from "../protocol/filter.js";
import { AuthorChains, type EventSources } from "./author-chains.js";
import { type AuthLine, type ConnectionOptions, RelayConnection } from "./connection.js";
import { LinkedAbort } from "./deadline.js";
import { Delivery, MAX_FOLLOWED_RELAYS } from "./delivery.js";
import type { FollowItem } from "./follow-item.js";
import { EMPTY_STATE, type FollowState } from "./follow-state.js";
import { Identities } from "./identities.js";
import { onAbort } from "./on-abort.js";
import { type ClientPorts, systemPorts } from "./ports.js";
import { isPrivateHost } from "./private-hosts.js";
import { RelayReader } from "./relay-reader.js";
import { WithheldIds } from "./withheld-ids.js";

export interface FollowOptions {
  /** URLs of the relays to read, 1 to 30. */
  readonly relays: readonly string[];
  /** Where to begin: `start` (default), `head` (from now on), or a cursor for each relay by URL. */
  readonly after?: "start" | "head" | Readonly<Record<string, string>>;
  /** What an earlier follow got to: goes on there. Relays that it doesn't name begin as `after` says. */
  readonly state?: FollowState;
  /** Default: everything. */
  readonly filter?: Filter;
  /** false: ends after everything that is there now. Default true. */
  readonly live?: boolean;
  readonly signal?: AbortSignal;
  /** Who is reading, for events that are addressed to it. */
  readonly authLine?: AuthLine;
  /** Operations that are known already, pinned ones for example. */
  readonly identities?: Iterable<ParsedOperation>;
  /** Reads on behind a cursor that the relay has pruned. */
  readonly allowGap?: boolean;
  /**
   * Where not everything is read from the start: whether entries' inclusion in the signed tree is proven, of one at
   * random of every frame (default), of every entry, or of none. A relay that gives no proof is told of
   * (`relay-unproven`), and the state stays where the last proof ends.
   */
  readonly proofs?: "sampled" | "every" | "none";
  /**
   * Which relays an author's identity log may send this reader to for missing events. Default: wss: URLs that don't
   * lead into this machine or its network, unless all relays that are followed are there. They are never told who reads.
   */
  readonly mayDial?: (url: string) => boolean;
  readonly connection?: ConnectionOptions;
}

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
  const { length } = options.relays;
  if (length === 0 || length > MAX_FOLLOWED_RELAYS || new Set(options.relays).size !== length) {
    throw new AntsError("follow-relays", `expected 1 to ${MAX_FOLLOWED_RELAYS} different relays, got ${length}`);
  }
  return new Following(options, ports);
}

/** Connections to relays that authors name: every one that was ever needed would pile up. */
const MAX_GUESTS = 16;
/** Of one author's relays, how many are asked for what is missing: the author chooses them, the reader waits. */
const MAX_NAMED = 8;

/** A follow under way. One consumer. */
export class Following implements AsyncIterableIterator<FollowItem> {
  readonly #options: FollowOptions;
  readonly #ports: ClientPorts;
  readonly #delivery: Delivery;
  readonly #identities: Identities;
  readonly #abort: LinkedAbort;
  readonly #connections = new Map<string, RelayConnection>();
  /** Relays that authors name and this follow does not, the one that was met first leaves first. */
  readonly #guests = new Map<string, RelayConnection>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #readers: RelayReader[];
  readonly #detach: () => void;
  readonly #running: Promise<void>;

  constructor(options: FollowOptions, ports: ClientPorts) {
    const { relays, state = EMPTY_STATE, filter = {}, after = "start", live = true } = options;
    this.#options = options;
    this.#ports = ports;
    this.#abort = new LinkedAbort(options.signal);
    this.#delivery = new Delivery(relays, state);
    this.#identities = new Identities(ports.clock, options.identities);
    const { signal } = this.#abort;
    const readsChains = filter.kinds === undefined && filter.to === undefined && filter.tags === undefined;
    const chains = readsChains
      ? new AuthorChains({
          delivery: this.#delivery,
          identities: this.#identities,
          ports,
          signal,
          state,
          fromStart: after === "start",
          isHosted: (did) => this.#readers.some((reader) => reader.hosts(did)),
          sources: (did, relay) => this.#sources(did, relay),
        })
      : undefined;
    const withheldBy = new WithheldIds();
    this.#readers = relays.map((url) => {
      const start = typeof after === "string" ? after : "start";
      const connection = this.#connect(url);
      const others = () => [...this.#connections.values()].filter((other) => other !== connection);
      const { allowGap = false, proofs = "sampled" } = options;
      return new RelayReader({
        connection,
        ports,
        signal,
        delivery: this.#delivery,
        identities: this.#identities,
        chains,
        others,
        withheldBy,
        filter,
        live,
        allowGap,
        proofs,
        after: typeof after === "string" ? start : (after[url] ?? start),
        known: state.relays[url],
      });
    });
    const { signal: given } = options;
    this.#detach = given === undefined ? () => {} : onAbort(given, () => this.#delivery.abort(given.reason));
    this.#running = this.#run();
  }

  next(): Promise<IteratorResult<FollowItem>> {
    return this.#delivery.next();
  }

  /**
   * How far this follow is: every item given out so far, the one that the consumer holds included. Call it when that
   * one is processed, and store it with what you made of the items.
   */
  state(): FollowState {
    return this.#delivery.state();
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

  async #run(): Promise<void> {
    const { signal } = this.#options;
    let failure: { error: unknown } | undefined;
    try {
      const ends = await Promise.all(this.#readers.map((reader) => reader.run()));
      const isClosed = this.#abort.signal.aborted;
      if (!isClosed && ends.every((end) => end !== undefined)) failure = { error: ends[0] };
    } catch (error) {
      failure = { error };
    }
    this.#abort.abort(new AntsError("closed", "the follow was closed"));
    this.#detach();
    if (signal?.aborted) this.#delivery.abort(signal.reason);
    else this.#delivery.close(failure);
    await Promise.all([
      ...[...this.#connections.values(), ...this.#guests.values()].map((connection) => connection.close()),
      ...this.#leaving,
    ]);
  }

  #connect(url: string): RelayConnection {
    let connection = this.#connections.get(url);
    if (connection === undefined) {
      const { authLine, connection: options } = this.#options;
      const who = authLine === undefined ? {} : { authLine };
      connection = new RelayConnection(url, this.#ports, { ...options, ...who });
      this.#connections.set(url, connection);
    }
    return connection;
  }

  /** A relay that an author names: kept for a while, since more of the same author may be missing. */
  #visit(url: string): RelayConnection {
    const known = this.#connections.get(url) ?? this.#guests.get(url);
    if (known !== undefined) return known;
    const { authLine: _, ...options } = this.#options.connection ?? {};
    const publicOnly = this.#options.mayDial === undefined && !this.#isInside;
    const guest = new RelayConnection(url, this.#ports, { ...options, publicOnly });
    this.#guests.set(url, guest);
    if (this.#guests.size > MAX_GUESTS) {
      for (const [oldest, connection] of this.#guests) {
        this.#guests.delete(oldest);
        const leaving = connection.close().finally(() => this.#leaving.delete(leaving));
        this.#leaving.add(leaving);
        break;
      }
    }
    return guest;
  }

  /** All relays that are followed are on this machine or its network: then so may be what authors name. */
  get #isInside(): boolean {
    return this.#options.relays.every(isPrivateHost);
  }

  /** The relays of the follow, the one where something is missing by another way; and those that the author names. */
  #sources(did: string, relay: string): EventSources {
    const { relays, mayDial = (url: string) => url.startsWith("wss:") && (this.#isInside || !isPrivateHost(url)) } =
      this.#options;
    const named = this.#identities.logOf(did).newest?.op.relays.map(({ url }) => url) ?? [];
    const guests = named.filter((url) => !relays.includes(url) && mayDial(url)).slice(0, MAX_NAMED);
    const mine = [...relays.filter((url) => url !== relay), relay];
    // Guests are only dialled when nobody else has it.
    return { mine: mine.map((url) => this.#connect(url)), guests: () => guests.map((url) => this.#visit(url)) };
  }
}
