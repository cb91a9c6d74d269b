import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { ChainHead } from "../protocol/event.js";
import type { ChainStore } from "./chain-store.js";
import { type ConnectionOptions, RelayConnection } from "./connection.js";
import { Courier } from "./courier.js";
import { abortable, withDeadline } from "./deadline.js";
import type { DeliveryBook, DeliveryNotes, OpenLetter } from "./delivery-book.js";
import type { IdentityLog } from "./identity-log.js";
import type { Lane } from "./lane.js";
import { type DeliveryResult, isLost, Letter, type RecipientResult } from "./letter.js";
import { LostLetters } from "./lost-letters.js";
import { type FoundMessage, MessageScan } from "./message-scan.js";
import type { Pen } from "./pen.js";
import type { ClientPorts } from "./ports.js";
import { isPrivateHost } from "./private-hosts.js";
import { LOOK_AGAIN, newRecipient, type Recipient, relaysToDial } from "./recipient.js";
import type { Resolver } from "./resolver.js";

export interface DeliveriesOptions {
  readonly did: Did;
  readonly pen: Pen;
  readonly chain: ChainStore;
  /** The agent's own identity log. */
  readonly identity: IdentityLog;
  readonly book: DeliveryBook;
  /** Finds out where recipients are. */
  readonly resolver: Pick<Resolver, "resolve">;
  readonly ports: ClientPorts;
  /**
   * Which relays a recipient's identity may send this agent to. Default: wss: URLs that don't lead into this machine or
   * its network; where all of the agent's own relays are there, any.
   */
  readonly mayDial?: (url: string) => boolean;
  readonly connection?: ConnectionOptions;
}

/** Older messages that no relay of the recipient took are given up: whoever is away for longer is gone. */
const GIVE_UP_MS = 30 * 24 * 3_600_000;
/** A message that some relay of the recipient has is brought to the others for so long. */
const COMPLETE_MS = 7 * 24 * 3_600_000;
/** Everybody that was ever written to, in the notes; the one that was written to longest ago is forgotten first. */
const MAX_WRITTEN = 10_000;
/** Messages in memory; of more, those that are delivered are forgotten, each time that there are twice as many as were left. */
const MAX_LETTERS = 1_024;

/**
 * Brings the agent's committed messages to the relays of their recipients. The chain is the queue: messages of an
 * earlier run that was killed are found there, and sending one twice is harmless, since it is the same event.
 *
 * A relay that both sides use has the message already. A relay that is dead delays no other; what no relay of a
 * recipient took is tried again, where the recipient says it is by then.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #letters = new Map<string, Letter>();
  readonly #recipients = new Map<string, Recipient>();
  readonly #couriers = new Map<string, Courier>();
  readonly #running = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  readonly #written: Set<Did>;
  readonly #lost: LostLetters;
  readonly #scan: MessageScan;
  #pen: Pen;
  #stopListening: () => void;
  #onProgress: (() => void)[] = [];
  /** With more letters than these, those that are done with are looked for: not each time, they may all be open. */
  #forgetAt = MAX_LETTERS;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    const { book, pen, chain, ports } = options;
    const { notes } = book;
    this.#written = new Set(notes.written);
    this.#lost = new LostLetters(options, notes.lost);
    this.#pen = pen;
    const scan = {
      chain,
      ports,
      committedSeq: () => this.#pen.committedSeq,
      found: (message: FoundMessage) => this.#found(message),
      advanced: () => this.#changed(),
    };
    this.#scan = new MessageScan(scan, this.#common(notes.upTo));
    if (this.#scan.upTo !== undefined) for (const open of notes.open) this.#reopen(open);
    this.#stopListening = this.#listen(pen);
    this.#run(this.#scan.run(this.#abort.signal));
  }

  /** The agent holds the pen anew, in another epoch and perhaps at other relays: the letters are the same. */
  changePen(pen: Pen): void {
    this.#stopListening();
    // What the lanes of this turn brought is known to them alone.
    for (const letter of this.#letters.values()) {
      for (const lane of this.#pen.lanes) if (lane.acknowledgedSeq >= letter.seq) letter.delivered(lane.relay.url);
    }
    this.#pen = pen;
    this.#stopListening = this.#listen(pen);
    // A relay that was the agent's own needs a courier from now on.
    for (const [did, { named }] of this.#recipients) if (named !== undefined) this.met(did as Did, named);
    this.#scan.wake();
  }

  #listen(pen: Pen): () => void {
    return pen.listen({ acknowledged: () => this.#progressed(), committed: () => this.#scan.wake() });
  }

  /** Where a recipient is, as somebody just found out: spares a search. */
  met(did: Did, relays: readonly RelayAddress[]): void {
    const recipient = this.#recipient(did);
    recipient.named = relays;
    recipient.relays = this.#reachable(relays);
    for (const letter of this.#letters.values()) if (letter.isFor(did)) this.#carry(letter, did);
  }

  /** Whether a committed message was ever written to somebody. */
  hasWrittenTo(did: string): boolean {
    return this.#written.has(did as Did);
  }

  /** What became of a message at every relay of every recipient, as far as it is known now; undefined for another event. */
  results(id: string): RecipientResult[] | undefined {
    const letter = this.#letters.get(id);
    return letter?.recipients.map((did) => {
      const relays = Object.fromEntries(this.#urlsOf(did).map((url) => [url, this.#resultAt(letter, url)]));
      return { did, delivered: Object.values(relays).some(({ state }) => state === "delivered"), relays };
    });
  }

  /**
   * Resolves when every recipient of a committed message has it on one relay, or every relay that it has was tried once
   * since this process began, or after `timeoutMs`: what is left is tried on. Rejects with `closed` or the signal's reason.
   */
  async settled(id: string, seq: number, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void> {
    const { ports } = this.#options;
    const late = new AntsError("request-timeout", "the relays of the recipients take their time");
    try {
      await withDeadline(
        ports.clock,
        options.timeoutMs,
        options.signal,
        () => late,
        async (signal) => {
          while (!this.#isSettled(id, seq)) {
            if (this.#abort.signal.aborted) throw this.#abort.signal.reason;
            await abortable(new Promise<void>((resolve) => this.#onProgress.push(resolve)), signal);
          }
        },
      );
    } catch (error) {
      if (error !== late) throw error;
    }
  }

  /** Stops; what is not delivered is noted for the next run. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#abort.abort(new AntsError("closed", "the deliveries were closed"));
    this.#progressed();
    await Promise.all(this.#running);
    await this.#options.book.close();
  }

  #isSettled(id: string, seq: number): boolean {
    const letter = this.#letters.get(id);
    if (letter === undefined) return (this.#scan.upTo?.seq ?? -1) >= seq;
    return this.results(id)!.every(({ did, delivered, relays }) => {
      if (delivered) return true;
      return (
        this.#recipient(did).relays !== undefined && Object.keys(relays).every((url) => this.#wasTried(letter, url))
      );
    });
  }

  #wasTried(letter: Letter, url: string): boolean {
    const lane = this.#laneOf(url);
    return lane === undefined ? letter.wasTried(url) : lane.status.state !== "sending";
  }

  #laneOf(url: string): Lane | undefined {
    return this.#pen.lanes.find(({ relay }) => relay.url === url);
  }

  #resultAt(letter: Letter, url: string): DeliveryResult {
    if (letter.isDelivered(url)) return { state: "delivered" };
    const lane = this.#laneOf(url);
    if (lane !== undefined) {
      if (lane.acknowledgedSeq >= letter.seq) return { state: "delivered" };
      const { status } = lane;
      return { state: "waiting", ...("error" in status && status.error !== undefined ? { error: status.error } : {}) };
    }
    return letter.resultAt(url);
  }

  #found({ id, seq, time, to }: FoundMessage): void {
    for (const did of to) {
      this.#written.delete(did);
      this.#written.add(did);
    }
    for (const oldest of this.#written) {
      if (this.#written.size <= MAX_WRITTEN) break;
      this.#written.delete(oldest);
    }
    if (time < this.#options.ports.clock.nowMs() - GIVE_UP_MS) return;
    this.#open(new Letter(id, seq, time, to));
  }

  #reopen({ id, seq, time, to, have }: OpenLetter): void {
    if (this.#options.chain.tree.find(id, seq)?.onChain !== true) return;
    const letter = new Letter(id, seq, time, to);
    for (const url of have) letter.delivered(url);
    this.#open(letter);
  }

  #open(letter: Letter): void {
    if (this.#letters.size >= this.#forgetAt) this.#forgetDone();
    this.#letters.set(letter.id, letter);
    for (const did of letter.recipients) {
      if (this.#recipient(did).relays === undefined) this.#look(did);
      else this.#carry(letter, did);
    }
  }

  /** Has a message brought to the relays of a recipient that lack it. */
  #carry(letter: Letter, did: Did): void {
    const { id, seq, recipients } = letter;
    for (const url of this.#urlsOf(did)) {
      // What goes to an own relay anyway needs no second delivery.
      if (this.#laneOf(url) !== undefined || letter.isDelivered(url) || letter.isLostAt(url)) continue;
      this.#courier(url).carry({ id, seq, to: recipients });
    }
    this.#changed();
  }

  #courier(url: string): Courier {
    const known = this.#couriers.get(url);
    if (known !== undefined) return known;
    const { chain, identity, ports, connection = {}, mayDial } = this.#options;
    const publicOnly = mayDial === undefined && !this.#isInside;
    const courier = new Courier(url, {
      chain,
      identity,
      ports,
      connect: (url) => new RelayConnection(url, ports, { ...connection, publicOnly }),
      delivered: (url, id) => {
        this.#letters.get(id)?.delivered(url);
        this.#changed();
      },
      refused: (url, id, error) => {
        const letter = this.#letters.get(id);
        const isFinal = error.code === "key-not-live" && this.#lost.isRetired(letter);
        letter?.failed(url, { state: "refused", error, ...(isFinal ? { final: true } : {}) });
        if (isFinal) this.#changed();
        else this.#failed(url, [id]);
      },
      failed: (url, error, unknown) => {
        for (const letter of this.#letters.values()) {
          letter.failed(url, unknown.includes(letter.id) ? { state: "unknown", error } : { state: "waiting", error });
        }
        this.#failed(url, [...this.#letters.keys()]);
      },
    });
    this.#couriers.set(url, courier);
    this.#run(courier.run(this.#abort.signal));
    return courier;
  }

  /** Waited for when it closes. */
  #run(work: Promise<void>): void {
    const running: Promise<void> = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** A relay did not take some messages: their recipients may have moved. */
  #failed(url: string, ids: readonly string[]): void {
    for (const id of ids) {
      for (const did of this.#letters.get(id)?.recipients ?? []) if (this.#urlsOf(did).includes(url)) this.#look(did);
    }
    this.#progressed();
  }

  /** Finds out where a recipient is; the first time at once, then less and less often. One search at a time. */
  #look(did: Did): void {
    const recipient = this.#recipient(did);
    if (recipient.isSought || this.#abort.signal.aborted) return;
    recipient.isSought = true;
    const looking: Promise<void> = this.#find(did, recipient).finally(() => {
      recipient.isSought = false;
      this.#running.delete(looking);
      this.#progressed();
      // Nobody else would notice that it has appeared.
      const isAwaited = [...this.#letters.values()].some((letter) => letter.isFor(did));
      if (isAwaited && recipient.relays?.length === 0) this.#look(did);
    });
    this.#running.add(looking);
  }

  async #find(did: Did, recipient: Recipient): Promise<void> {
    const { resolver, ports } = this.#options;
    const { signal } = this.#abort;
    try {
      if (recipient.relays !== undefined)
        await ports.clock.sleep(LOOK_AGAIN.firstMs + recipient.backoff.nextDelayMs(), signal);
      const found = await resolver.resolve(did, { fresh: true, signal });
      const before = recipient.relays ?? [];
      if ("relays" in found) recipient.named = found.relays;
      recipient.relays = "relays" in found ? this.#reachable(found.relays) : before;
      for (const letter of this.#letters.values()) {
        if (!letter.isFor(did)) continue;
        for (const url of before) if (!recipient.relays.includes(url)) this.#couriers.get(url)?.drop(letter.id);
        this.#carry(letter, did);
      }
    } catch (error) {
      if (!isAntsError(error) && !signal.aborted) throw error;
      recipient.relays ??= [];
    }
  }

  #recipient(did: Did): Recipient {
    let recipient = this.#recipients.get(did);
    if (recipient === undefined) {
      recipient = newRecipient(this.#options.ports);
      this.#recipients.set(did, recipient);
    }
    return recipient;
  }

  #urlsOf(did: Did): readonly string[] {
    return this.#recipients.get(did)?.relays ?? [];
  }

  #reachable(relays: readonly RelayAddress[]): string[] {
    const own = this.#pen.lanes.map(({ relay }) => relay.url);
    return relaysToDial(relays, own, this.#options.mayDial);
  }

  /** All of the agent's own relays are on this machine or its network: then so may be those of its recipients. */
  get #isInside(): boolean {
    return this.#pen.lanes.every(({ relay }) => isPrivateHost(relay.url));
  }

  /** The last event of the notes that is on the chain still: a rotate's anchor may have taken it back. */
  #common(upTo: ChainHead | undefined): ChainHead | undefined {
    const { tree } = this.#options.chain;
    let at = upTo === undefined ? undefined : tree.find(upTo.id, upTo.seq);
    while (at !== undefined && !at.onChain) at = tree.before(at);
    return at === undefined ? undefined : { epoch: at.epoch, seq: at.seq, id: at.id };
  }

  #forgetDone(): void {
    for (const [id, letter] of this.#letters) if (this.#isDone(letter)) this.#letters.delete(id);
    this.#forgetAt = Math.max(MAX_LETTERS, 2 * this.#letters.size);
  }

  #changed(): void {
    this.#options.book.note(() => this.#notes());
    this.#progressed();
  }

  #notes(): DeliveryNotes {
    const open = [...this.#letters.values()]
      .filter((letter) => !this.#isDone(letter))
      .map(({ id, seq, timeMs: time, recipients: to, have }) => ({ id, seq, time, to, have }));
    for (const letter of this.#letters.values()) this.#lost.look(letter, this.results(letter.id)!);
    const lost = this.#lost.since(this.#options.ports.clock.nowMs() - GIVE_UP_MS);
    const { upTo } = this.#scan;
    return { ...(upTo === undefined ? {} : { upTo }), open, ...lost, written: [...this.#written] };
  }

  /** Nothing more is done about it after this run. */
  #isDone(letter: Letter): boolean {
    const ageMs = this.#options.ports.clock.nowMs() - letter.timeMs;
    if (ageMs > GIVE_UP_MS) return true;
    return this.results(letter.id)!.every((result) => {
      const { did, delivered, relays } = result;
      if (this.#recipient(did).relays === undefined || !delivered) return isLost(result);
      return ageMs > COMPLETE_MS || Object.values(relays).every(({ state }) => state === "delivered");
    });
  }

  #progressed(): void {
    const waiting = this.#onProgress;
    this.#onProgress = [];
    for (const resolve of waiting) resolve();
  }
}
