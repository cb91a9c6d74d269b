import type { ChainHead, Event, ParsedEvent } from "../protocol/event.js";
import { AuthorChain, type Placement } from "./author-chain.js";
import { fetchFromFirst, type MissingEvents } from "./author-fetch.js";
import type { RelayConnection } from "./connection.js";
import type { Delivery } from "./delivery.js";
import type { EventItem } from "./follow-item.js";
import type { FollowState } from "./follow-state.js";
import type { Identities } from "./identities.js";
import type { ClientPorts } from "./ports.js";

/** A verified event on its way to the consumer, and where it was seen. */
export interface SeenEvent {
  readonly parsed: ParsedEvent;
  readonly standing: EventItem["standing"];
  readonly relay: string;
  readonly at?: number;
}

/** Where missing events of an author are looked for. */
export interface EventSources {
  /** Relays that the reader chose. */
  readonly mine: readonly RelayConnection[];
  /** Relays that the author chose, asked when the others have nothing. */
  readonly guests: () => readonly RelayConnection[];
  /** All relays that the author names, as far as they are read or may be dialled. */
  readonly own: () => readonly RelayConnection[];
}

export interface AuthorChainsOptions {
  readonly delivery: Delivery;
  readonly identities: Identities;
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  /** The state that the follow goes on from. */
  readonly state: FollowState;
  /** Whether chains are read from their beginning, so that an author's first event must be seq 0. */
  readonly fromStart: boolean;
  /** Whether one of the followed relays keeps this author's chain: only then is a hole a hole. */
  readonly isHosted: (did: string) => boolean;
  /** Where missing events of an author are looked for; `relay` is the one where they are missing. */
  readonly sources: (did: string, relay: string) => EventSources;
  /** An event was taken in where another event of its epoch is. */
  readonly forked: (event: ParsedEvent, rivalId: string) => void;
}

/** Authors whose chains are in memory, the least recent forgotten first. */
const MAX_CHAINS = 4_096;
/** Authors of whom only the tip is kept, the first forgotten first: then an author's next event is taken as it comes. */
const MAX_TIPS = 65_536;

/** Puts the events of all followed relays into the order of their authors' chains, each once, and fills what is missing. */
export class AuthorChains {
  readonly #options: AuthorChainsOptions;
  readonly #chains = new Map<string, AuthorChain>();
  /** Where chains stood before a restart. */
  readonly #tips = new Map<string, ChainHead>();
  /** Chains are read from their beginning and nobody was forgotten: an author who is not known is new. */
  #knowsAll: boolean;
  /** One event of an author at a time, whichever relay it comes from. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: AuthorChainsOptions) {
    this.#options = options;
    this.#knowsAll = options.fromStart;
    const { relays, agents = {} } = options.state;
    const shown = Object.values(relays).flatMap(({ authors = {} }) => Object.entries(authors));
    const given = Object.entries(agents).flatMap(([did, { tip }]) => (tip === undefined ? [] : [[did, tip] as const]));
    for (const [did, tip] of [...shown, ...given]) {
      const known = this.#tips.get(did);
      const isHigher =
        known === undefined || tip.epoch > known.epoch || (tip.epoch === known.epoch && tip.seq > known.seq);
      if (isHigher) this.#tips.set(did, tip);
    }
  }

  /** Where an author's chain stands. */
  tipOf(did: string): ChainHead | undefined {
    return this.#chains.get(did)?.tip ?? this.#tips.get(did);
  }

  /** Whether an event was put in its place, as far back as is remembered. */
  has({ did, seq, id }: Event): boolean {
    return this.#chains.get(did)?.has(seq, id) === true;
  }

  /** Whether an event of this place was given out that anybody may read. */
  isPublic(did: string, seq: number, id: string): boolean {
    return this.#chains.get(did)?.isPublic(seq, id) === true;
  }

  /** A relay withholds an event. */
  hide(did: string, seq: number, id: string): void {
    this.#chainOf(did, 0).hide(seq, id);
  }

  /**
   * Queues an event in its place, after what was missing before it: at once (undefined) where nothing is missing.
   * Rejects with the signal's reason.
   */
  give(seen: SeenEvent): Promise<void> | undefined {
    const before = this.#turns.get(seen.parsed.did);
    return before === undefined && this.#giveNow(seen) ? undefined : this.#giveInTurn(seen, before);
  }

  async #giveInTurn(seen: SeenEvent, before: Promise<void> | undefined): Promise<void> {
    const { did } = seen.parsed;
    const turn = (before ?? Promise.resolve()).then(() => this.#give(seen));
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(did, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(did) === settled) this.#turns.delete(did);
    }
  }

  /** The usual case without waiting for anything; false where something is missing. */
  #giveNow(seen: SeenEvent): boolean {
    const { event } = seen.parsed;
    const rotations = this.#rotationsOf(seen);
    const chain = this.#chainOf(event.did, rotations);
    const placement = this.#place(chain, seen, rotations);
    if (placement.kind === "gap") return false;
    this.#take(chain, seen, rotations, placement);
    return true;
  }

  async #give(seen: SeenEvent): Promise<void> {
    if (this.#giveNow(seen)) return;
    const { delivery } = this.#options;
    const { event } = seen.parsed;
    const rotations = this.#rotationsOf(seen);
    const chain = this.#chainOf(event.did, rotations);
    const gap = this.#place(chain, seen, rotations) as Placement & { kind: "gap" };
    const { fromSeq, toSeq } = gap;
    const isHidden = (seq: number, id?: string) => chain.isHidden(seq, id);
    const isFilled = await this.#fill({ did: event.did, fromSeq, toSeq, lastId: event.prev!, isHidden }, seen.relay);
    if (this.#giveNow(seen)) return;
    if (!isFilled && !delivery.has(event.id)) {
      delivery.push({ type: "gap", did: event.did, fromSeq, toSeq });
      chain.skip(fromSeq, toSeq);
    }
    const isAhead = event.seq > (chain.tip?.seq ?? -1) || event.epoch > (chain.tip?.epoch ?? 0);
    this.#take(chain, seen, rotations, { kind: isAhead ? "next" : "side" });
  }

  #place(chain: AuthorChain, { parsed: { event } }: SeenEvent, rotations: number): Placement {
    const { isHosted } = this.#options;
    const placement = chain.place(event, rotations);
    const isIncomplete = placement.kind === "first" && event.seq > 0 && this.#knowsAll;
    const found: Placement = isIncomplete ? { kind: "gap", fromSeq: 0, toSeq: event.seq - 1 } : placement;
    // Single events that were addressed to somebody come without their chain.
    if (found.kind !== "gap" || isHosted(event.did)) return found;
    return { kind: isIncomplete ? "first" : event.seq > chain.tip!.seq ? "next" : "stray" };
  }

  #take(chain: AuthorChain, seen: SeenEvent, rotations: number, placement: Placement): void {
    const { delivery } = this.#options;
    const { parsed, standing, relay, at } = seen;
    const isKnown = placement.kind === "duplicate" || delivery.has(parsed.id);
    const rivalId = chain.rivalOf(parsed.event);
    chain.take(parsed.event, rotations, placement);
    if (isKnown) return;
    if (rivalId !== undefined) this.#options.forked(parsed, rivalId);
    if (placement.kind === "switch" && placement.superseded.length > 0) {
      const { superseded: ids, restored } = placement;
      const again = restored.length === 0 ? {} : { restored };
      delivery.push({ type: "superseded", did: parsed.did, ids, by: parsed.id, ...again });
    }
    delivery.push({
      type: "event",
      event: parsed,
      relay,
      ...(at === undefined ? {} : { at }),
      standing,
      ...(placement.kind === "side" ? { superseded: true } : {}),
    });
  }

  async #fill(missing: MissingEvents, relay: string): Promise<boolean> {
    const { sources, identities, ports, signal } = this.#options;
    const { mine, guests } = sources(missing.did, relay);
    const found =
      (await fetchFromFirst(missing, mine, ports, signal)) ?? (await fetchFromFirst(missing, guests(), ports, signal));
    if (found === undefined) return false;
    for (const parsed of found.path) {
      const standing = await identities.standing(parsed.event, [found.relay], signal);
      if (standing === undefined || standing === "void") return false;
      const seen: SeenEvent = { parsed, standing, relay: found.relay.url };
      const rotations = this.#rotationsOf(seen);
      const chain = this.#chainOf(parsed.did, rotations);
      const placement = chain.place(parsed.event, rotations);
      this.#take(chain, seen, rotations, placement.kind === "gap" ? { kind: "next" } : placement);
    }
    return true;
  }

  #rotationsOf({ parsed: { event } }: SeenEvent): number {
    return this.#options.identities.logOf(event.did).rotationsOf(event.key) ?? 0;
  }

  #chainOf(did: string, rotations: number): AuthorChain {
    const known = this.#chains.get(did);
    if (known !== undefined) {
      this.#chains.delete(did);
      this.#chains.set(did, known);
      return known;
    }
    const tip = this.#tips.get(did);
    const chain = new AuthorChain(tip === undefined ? undefined : { ...tip, rotations });
    this.#chains.set(did, chain);
    if (this.#chains.size > MAX_CHAINS) {
      for (const [oldest, { tip }] of this.#chains) {
        this.#chains.delete(oldest);
        if (tip !== undefined) this.#keepTip(oldest, tip);
        break;
      }
    }
    return chain;
  }

  #keepTip(did: string, tip: ChainHead): void {
    this.#tips.delete(did);
    this.#tips.set(did, tip);
    if (this.#tips.size <= MAX_TIPS) return;
    for (const oldest of this.#tips.keys()) {
      this.#tips.delete(oldest);
      break;
    }
    this.#knowsAll = false;
  }
}
