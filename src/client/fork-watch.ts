import { AntsError } from "../../keys/errors.js";
import type { ParsedEvent } from "../protocol/event.js";
import { verifyFork } from "../protocol/fork.js";
import type { EventSources } from "./author-chains.js";
import { fetchFromFirst } from "./author-fetch.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import type { FollowItem } from "./follow-item.js";
import { handProofs } from "./forks.js";
import type { ClientPorts } from "./ports.js";

export interface ForkWatchOptions {
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  readonly push: (item: FollowItem) => void;
  /** Where an author's events are. */
  readonly sources: (did: string) => EventSources;
}

/** Forks of one author that are told of: more would be noise, and whoever makes them chooses how many there are. */
const MAX_TOLD_EACH = 4;
/** Authors of whom it is known what was told, the one that was met first forgotten first. */
const MAX_AUTHORS = 4_096;
/** Forks that are being told of at once. */
const MAX_TELLING = 8;
/** Forks that wait for it; of what is found beside them the next event in that epoch tells. */
const MAX_WAITING = 1_024;
/** How long finding and telling of one fork takes at most. */
const TELL_TIMEOUT_MS = 15_000;
/** How long a follow that has read everything waits for all that it found. */
const SETTLE_TIMEOUT_MS = 30_000;

/**
 * What a follow does when two events of one author stand in one place: it finds the other line, verifies the pair, gives
 * it out, and hands both lines to the author's relays, so that the proof is where others look for it. In the background;
 * a chain that was written twice is told of once an epoch, and again only where the other line could not be had.
 */
export class ForkWatch {
  readonly #options: ForkWatchOptions;
  /** By author, the epochs and keys whose forks were told of or are being told of. */
  readonly #told = new Map<string, Set<string>>();
  readonly #telling = new Set<Promise<void>>();
  readonly #waiting: (() => Promise<void>)[] = [];

  constructor(options: ForkWatchOptions) {
    this.#options = options;
  }

  /** An event was taken in where the event `rivalId` of the same epoch is. */
  found(event: ParsedEvent, rivalId: string): void {
    const { did, key, epoch } = event.event;
    const told = this.#toldOf(did);
    const name = `${epoch} ${key}`;
    if (told.has(name) || told.size >= MAX_TOLD_EACH || this.#waiting.length >= MAX_WAITING) return;
    told.add(name);
    this.#waiting.push(async () => {
      const isTold = await this.#tell(event, rivalId).catch(() => false);
      if (!isTold) told.delete(name);
    });
    this.#goOn();
  }

  /** Resolves when everything that was found has been told, at the latest after 30 s. Once the signal aborts, all of it ends. */
  async settled(): Promise<void> {
    const { ports, signal } = this.#options;
    const done = new LinkedAbort(signal);
    const late = ports.clock.sleep(SETTLE_TIMEOUT_MS, done.signal).catch(() => undefined);
    const allTold = async () => {
      while (this.#telling.size > 0) await Promise.all(this.#telling);
    };
    await (signal.aborted ? allTold() : Promise.race([allTold(), late]));
    done.abort();
  }

  #goOn(): void {
    while (this.#telling.size < MAX_TELLING) {
      const tell = this.#waiting.shift();
      if (tell === undefined) return;
      const telling = tell().then(() => {
        this.#telling.delete(telling);
        this.#goOn();
      });
      this.#telling.add(telling);
    }
  }

  #toldOf(did: string): Set<string> {
    const told = this.#told.get(did) ?? new Set<string>();
    this.#told.set(did, told);
    if (this.#told.size > MAX_AUTHORS) {
      for (const oldest of this.#told.keys()) {
        this.#told.delete(oldest);
        break;
      }
    }
    return told;
  }

  /** Whether the proof was given out. */
  async #tell(event: ParsedEvent, rivalId: string): Promise<boolean> {
    const { ports, signal, push, sources } = this.#options;
    const { did, seq } = event.event;
    let isGiven = false;
    const late = () => new AntsError("request-timeout", `nobody had the other event at seq ${seq} of ${did} in time`);
    await withDeadline(ports.clock, TELL_TIMEOUT_MS, signal, late, async (signal) => {
      const { mine, guests, own } = sources(did);
      const missing = { did, fromSeq: seq, toSeq: seq, lastId: rivalId, isHidden: () => false };
      const found =
        (await fetchFromFirst(missing, mine, ports, signal)) ??
        (await fetchFromFirst(missing, guests(), ports, signal));
      const rival = found?.path[0];
      if (rival === undefined) return;
      const proof = verifyFork(event.line, rival.line);
      push({ type: "fork", proof });
      isGiven = true;
      // An addressed event is for its recipients: its author's relays have it from its author, or not at all.
      if (proof.events.some(({ event: { to } }) => to !== undefined)) return;
      await Promise.all(own().map((relay) => handProofs(relay, [proof], ports, signal)));
    }).catch((error: unknown) => {
      if (!isGiven) throw error;
    });
    return isGiven;
  }
}
