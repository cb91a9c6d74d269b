import type { ChainHead } from "../protocol/event.js";
import { AsyncQueue } from "./async-queue.js";
import type { EventItem, FollowItem } from "./follow-item.js";
import { EMPTY_STATE, type FollowState, type RelayState } from "./follow-state.js";
import { onAbort } from "./on-abort.js";

/** What becomes of a relay's state once everything before it in the queue was given out. */
export interface FrameEnd {
  readonly relay: string;
  readonly state: Omit<RelayState, "authors">;
  /** Authors whose chain this frame showed, and where it stands on this relay now. */
  readonly authors: readonly (readonly [did: string, tip: ChainHead])[];
  /** Ids of the events that this frame showed. */
  readonly shown: readonly string[];
}

type Queued =
  | { readonly item: FollowItem }
  | { readonly end: FrameEnd }
  /** A relay that is no longer followed: nothing of it is kept from here on. */
  | { readonly left: string };

/** Items that wait for the consumer: some frames' worth. Readers wait when there are more. */
const MAX_QUEUED_ITEMS = 1_024;
/**
 * Ids that were given out and that some relay has not shown yet. A relay that is away for long leaves them here; when
 * there are more, the oldest are forgotten, and only an author's chain (256 events of it) tells duplicates.
 */
const MAX_DELIVERED_IDS = 65_536;
/** Authors whose place on a relay is kept in the state, the least recent dropped first. */
const MAX_SAVED_AUTHORS = 4_096;

/** One bit each in a 32-bit integer; nobody follows as many. */
export const MAX_FOLLOWED_RELAYS = 30;

/**
 * The one queue between all relays' readers and the consumer. It also knows what was given out: {@link state} covers
 * every item up to the one that the consumer holds, and nothing after it.
 */
export class Delivery {
  readonly #queue = new AsyncQueue<Queued>();
  /** Each relay's bit. */
  readonly #bits = new Map<string, number>();
  readonly #saved: Map<string, { state: Omit<RelayState, "authors">; authors: Map<string, ChainHead> }>;
  /** Event id → the bits of the relays that have yet to show it, and whether it was given out or waits in the queue. */
  readonly #events = new Map<string, { awaited: number; isGiven: boolean }>();
  /** Events that were given out last, of the authors in question: see {@link tipOf}. */
  readonly #tips = new Map<string, ChainHead | undefined>();
  #waitingForRoom: (() => void)[] = [];

  /**
   * `relays`: the URLs that are followed, at most {@link MAX_FOLLOWED_RELAYS}. `agents`: authors whose last event is
   * kept apart from the relays that show it.
   */
  constructor(relays: readonly string[], state: FollowState = EMPTY_STATE, agents: readonly string[] = []) {
    for (const did of agents) this.#tips.set(did, state.agents?.[did]?.tip);
    for (const url of relays) this.join(url);
    this.#saved = new Map(
      Object.entries(state.relays).map(([url, { authors = {}, ...rest }]) => [
        url,
        { state: rest, authors: new Map(Object.entries(authors)) },
      ]),
    );
    for (const [url, ids] of Object.entries(state.delivered)) {
      const bit = this.#bits.get(url);
      if (bit === undefined) continue;
      for (const id of ids) {
        const event = this.#events.get(id);
        if (event === undefined) this.#events.set(id, { awaited: bit, isGiven: true });
        else event.awaited |= bit;
      }
    }
  }

  /** Whether an event was given out or waits to be, as far back as ids are kept. */
  has(id: string): boolean {
    return this.#events.has(id);
  }

  /** One more relay is followed. False where there are as many as can be. */
  join(url: string): boolean {
    if (this.#bits.has(url)) return true;
    const taken = [...this.#bits.values()];
    for (let i = 0; i < MAX_FOLLOWED_RELAYS; i++) {
      if (taken.includes(1 << i)) continue;
      this.#bits.set(url, 1 << i);
      return true;
    }
    return false;
  }

  /** A relay is followed no longer; its place is forgotten once what it showed was given out. */
  leave(url: string): void {
    const bit = this.#bits.get(url) ?? 0;
    this.#bits.delete(url);
    for (const [id, event] of this.#events) {
      event.awaited &= ~bit;
      if (event.awaited === 0) this.#events.delete(id);
    }
    this.#queue.push({ left: url });
  }

  /** The last event of a followed agent's chain that was given out. */
  tipOf(did: string): ChainHead | undefined {
    return this.#tips.get(did);
  }

  /** Queues an item. Whoever queues awaits {@link room} now and then. */
  push(item: FollowItem): void {
    if (item.type === "event") this.#remember(item.event.id);
    this.#queue.push({ item });
  }

  /** A frame was read to its end: everything it showed is queued. */
  end(end: FrameEnd): void {
    this.#queue.push({ end });
  }

  /** Resolves when the consumer has taken most of what is queued. Rejects with the signal's reason. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#queue.size > MAX_QUEUED_ITEMS) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const detach = onAbort(signal, resolve);
        this.#waitingForRoom.push(() => {
          detach();
          resolve();
        });
      });
    }
    signal.throwIfAborted();
  }

  /** Nothing more comes; what is queued is still given out. */
  close(failure?: { readonly error: unknown }): void {
    this.#queue.end(failure);
    this.#makeRoom();
  }

  /** Ends at once: what is queued was not given out, and the consumer gets `reason`. */
  abort(reason: unknown): void {
    this.#applyEnds();
    this.#queue.abort(reason);
    this.#makeRoom();
  }

  async next(): Promise<IteratorResult<FollowItem>> {
    for (;;) {
      const { value, done } = await this.#queue.next();
      if (this.#queue.size <= MAX_QUEUED_ITEMS / 2) this.#makeRoom();
      if (done === true) return { value: undefined, done: true };
      if (!("item" in value)) {
        this.#pass(value);
        continue;
      }
      const { item } = value;
      if (item.type === "event") {
        const event = this.#events.get(item.event.id);
        if (event !== undefined) event.isGiven = true;
        this.#given(item);
      }
      return { value: item, done: false };
    }
  }

  /** Everything that was given out so far, the item that the consumer holds included. */
  state(): FollowState {
    this.#applyEnds();
    const relays: Record<string, RelayState> = {};
    for (const [url, { state, authors }] of this.#saved) {
      relays[url] = authors.size === 0 ? state : { ...state, authors: Object.fromEntries(authors) };
    }
    const delivered: Record<string, string[]> = {};
    for (const [url, bit] of this.#bits) {
      const ids = [...this.#events].flatMap(([id, event]) =>
        event.isGiven && (event.awaited & bit) !== 0 ? [id] : [],
      );
      if (ids.length > 0) delivered[url] = ids;
    }
    return { v: 1, relays, delivered };
  }

  #remember(id: string): void {
    let awaited = 0;
    for (const bit of this.#bits.values()) awaited |= bit;
    this.#events.set(id, { awaited, isGiven: false });
    if (this.#events.size <= MAX_DELIVERED_IDS) return;
    for (const [oldest, { isGiven }] of this.#events) {
      if (isGiven) this.#events.delete(oldest);
      break;
    }
  }

  /** Its author's chain ends with it, as far as the consumer knows. */
  #given({ event: { did, event }, standing, superseded }: EventItem): void {
    if (!this.#tips.has(did) || standing === "void" || superseded === true) return;
    const { epoch, seq, id } = event;
    const tip = this.#tips.get(did);
    if (tip === undefined || epoch > tip.epoch || (epoch === tip.epoch && seq > tip.seq)) {
      this.#tips.set(did, { epoch, seq, id });
    }
  }

  #pass(value: Exclude<Queued, { item: FollowItem }>): void {
    if ("end" in value) this.#apply(value.end);
    else if (!this.#bits.has(value.left)) this.#saved.delete(value.left);
  }

  #apply({ relay, state, authors, shown }: FrameEnd): void {
    const saved = this.#saved.get(relay)?.authors ?? new Map<string, ChainHead>();
    for (const [did, tip] of authors) {
      saved.delete(did);
      saved.set(did, tip);
    }
    for (const oldest of saved.keys()) {
      if (saved.size <= MAX_SAVED_AUTHORS) break;
      saved.delete(oldest);
    }
    this.#saved.set(relay, { state, authors: saved });
    const bit = this.#bits.get(relay) ?? 0;
    for (const id of shown) {
      const event = this.#events.get(id);
      if (event === undefined) continue;
      event.awaited &= ~bit;
      if (event.awaited === 0) this.#events.delete(id);
    }
  }

  /** Ends of frames and the like that come right after the item that the consumer holds. */
  #applyEnds(): void {
    for (let head = this.#queue.peek(); head !== undefined && !("item" in head); head = this.#queue.peek()) {
      this.#queue.take();
      this.#pass(head);
    }
  }

  #makeRoom(): void {
    const waiting = this.#waitingForRoom;
    this.#waitingForRoom = [];
    for (const resolve of waiting) resolve();
  }
}
