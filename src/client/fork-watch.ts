import type { ParsedEvent } from "../protocol/event.js";
import { verifyFork } from "../protocol/fork.js";
import type { EventSources } from "./author-chains.js";
import { fetchFromFirst } from "./author-fetch.js";
import type { FollowItem } from "./follow-item.js";
import { handProof } from "./forks.js";
import type { ClientPorts } from "./ports.js";

export interface ForkWatchOptions {
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  readonly push: (item: FollowItem) => void;
  /** Where an author's events are. */
  readonly sources: (did: string) => EventSources;
}

/** Forks that one follow tells of: more would be noise, and whoever makes them chooses how many there are. */
const MAX_TOLD = 256;

/**
 * What a follow does when two events of one author stand in one place: it finds the other line, verifies the pair, gives
 * it out, and hands both lines to the author's relays, so that the proof is where others look for it. In the background,
 * one fork after the other; a chain that was written twice is told of once an epoch.
 */
export class ForkWatch {
  readonly #options: ForkWatchOptions;
  readonly #told = new Set<string>();
  #work: Promise<void> = Promise.resolve();

  constructor(options: ForkWatchOptions) {
    this.#options = options;
  }

  /** An event was taken in where the event `rivalId` of the same epoch is. */
  found(event: ParsedEvent, rivalId: string): void {
    const { did, key, epoch } = event.event;
    const name = `${did} ${epoch} ${key}`;
    if (this.#told.has(name) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(name);
    this.#work = this.#work.then(() => this.#tell(event, rivalId)).catch(() => undefined);
  }

  /** Resolves when everything that was found has been told. */
  settled(): Promise<void> {
    return this.#work;
  }

  async #tell(event: ParsedEvent, rivalId: string): Promise<void> {
    const { ports, signal, push, sources } = this.#options;
    const { did, seq } = event.event;
    const { mine, guests } = sources(did);
    const relays = [...mine, ...guests()];
    const missing = { did, fromSeq: seq, toSeq: seq, lastId: rivalId, isHidden: () => false };
    const rival = (await fetchFromFirst(missing, relays, ports, signal))?.path[0];
    if (rival === undefined) return;
    const proof = verifyFork(event.line, rival.line);
    push({ type: "fork", proof });
    // An addressed event is for its recipients: its author's relays have it from its author, or not at all.
    if (proof.events.some(({ event: { to } }) => to !== undefined)) return;
    await Promise.all(relays.map((relay) => handProof(relay, proof, ports, signal)));
  }
}
