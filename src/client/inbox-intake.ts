import { AntsError } from "../../keys/errors.js";
import { LinkedAbort } from "./deadline.js";
import { type Following, follow } from "./follow.js";
import { type EventItem, type ProblemItem, problemOf } from "./follow-item.js";
import { Gate } from "./gate.js";
import type { InboxContext } from "./inbox.js";
import type { StoredMessage } from "./inbox-store.js";
import { watchRelays } from "./relays-watch.js";

export interface IntakeOptions {
  readonly live: boolean;
  readonly signal: AbortSignal;
  /** Messages that are new, and on disk. */
  readonly stored: (messages: readonly StoredMessage[]) => void;
  readonly told: (item: ProblemItem | { readonly type: "caught-up" }) => void;
  /** The consumer is far behind: nothing more is read until {@link InboxIntake.goOn}. */
  readonly isFull: () => boolean;
}

/** The name of the inbox's follow among the cursors of its file. */
const FOLLOW = "inbox";
const SAVE_EVERY_MS = 500;
/** Relays that the agent left, of which the newest are read as well. */
const MAX_FORMER_RELAYS = 8;
const MAX_RELAYS = 30;
/** When one relay has given all, how long the others may take in a reading of what is there. */
const LAGGARDS_MS = 2_000;
/** The relay's log is another than it was, or its cursor is of no use: it is read from its start by the next run. */
const CURSOR_CODES = /^(stream-changed|cursor-|relay-key-changed)/;

/**
 * Reads the relays into the inbox's file. Where a relay is read on from is saved only when everything before that is in
 * the file; what comes again after a crash is known there by its id.
 */
export class InboxIntake {
  readonly #context: InboxContext;
  readonly #options: IntakeOptions;
  readonly #room = new Gate();
  /** URLs of the relays that the identity names, and of those that it named before. */
  #relays: readonly string[];
  #former: readonly string[];
  /** What is being read now. */
  #following: Following | undefined;
  /** Relays that are read from their start next time. */
  readonly #forgotten = new Set<string>();
  #awaited: Set<string>;
  #arrived: EventItem[] = [];
  #writing: Promise<void> | undefined;
  /** What kept messages from being stored. */
  #failure: { readonly error: unknown } | undefined;
  #isCaughtUp = false;
  #isTold = false;
  #telling: Promise<void> | undefined;
  #savedMs = Number.NEGATIVE_INFINITY;

  constructor(context: InboxContext, options: IntakeOptions) {
    this.#context = context;
    this.#options = options;
    const { relays, formerRelays = [] } = context;
    this.#relays = relays;
    this.#former = formerRelays;
    this.#awaited = new Set(relays);
  }

  /** The consumer has taken most of what was waiting. */
  goOn(): void {
    this.#room.open();
  }

  /** Runs until the signal aborts, or everything was read. Throws the last problem where no relay can be read. */
  async run(): Promise<void> {
    const { did, operations, ports, connection } = this.#context;
    const { live, signal } = this.#options;
    const done = new LinkedAbort(signal);
    const moved = (relays: readonly string[]) => this.#move(relays);
    const settings = { did, ports, signal: done.signal, ...(connection === undefined ? {} : { connection }) };
    const watching =
      live && operations !== undefined ? watchRelays({ ...settings, operations, moved }) : Promise.resolve();
    try {
      for (let relays: unknown; relays !== this.#relays && !signal.aborted; ) {
        relays = this.#relays;
        await this.#read();
      }
    } finally {
      done.abort();
      await watching;
      this.#tellCaughtUp();
      await this.#telling;
    }
  }

  /** The identity names these relays now. Those that it named until now are read as well. */
  #move(relays: readonly string[]): void {
    this.#former = [...new Set([...this.#relays, ...this.#former])];
    this.#relays = relays;
    this.#awaited = new Set(relays);
    void this.#following?.close();
  }

  /** Reads the relays that are named now, until the agent names others. What is read on from is in the cursors' file. */
  async #read(): Promise<void> {
    const { did, authLine, cursors, ports, connection } = this.#context;
    const { live, signal } = this.#options;
    const relays = this.#relays;
    const former = this.#former.filter((url) => !relays.includes(url)).slice(0, MAX_FORMER_RELAYS);
    const before = cursors.get(FOLLOW);
    const following = follow(
      {
        relays: [...new Set([...relays, ...former])].slice(0, MAX_RELAYS),
        filter: { to: [did] },
        live,
        allowGap: true,
        authLine,
        onlyAuthenticated: true,
        ...(before === undefined ? {} : { state: before }),
        ...(connection === undefined ? {} : { connection }),
      },
      ports,
    );
    this.#following = following;
    const stop = () => void following.close();
    signal.addEventListener("abort", stop, { once: true });
    const enough = new AbortController();
    try {
      if (signal.aborted) return;
      for await (const item of following) {
        switch (item.type) {
          case "event":
            if (item.event.did !== did) this.#take(item, following);
            break;
          case "problem":
            this.#problem(item);
            break;
          case "caught-up":
            this.#caughtUp(item.relay, following, enough.signal);
        }
        if (ports.clock.monotonicMs() - this.#savedMs >= SAVE_EVERY_MS || item.type === "caught-up") {
          await this.#save(following);
        }
        while (this.#options.isFull() && !signal.aborted) await this.#room.wait(signal).catch(() => undefined);
      }
      await this.#save(following);
    } catch (error) {
      await this.#written();
      if (this.#failure !== undefined) throw this.#failure.error;
      // What can be read is read; who is not there is told of as a problem.
      if (this.#isCaughtUp) return;
      throw error;
    } finally {
      enough.abort();
      signal.removeEventListener("abort", stop);
      await following.close();
      this.#following = undefined;
    }
  }

  #take(item: EventItem, following: Following): void {
    this.#arrived.push(item);
    this.#writing ??= this.#write().catch((error: unknown) => {
      this.#failure ??= { error };
      void following.close();
    });
  }

  /** What arrives while a part is written is the next part: a message costs no fsync of its own. */
  async #write(): Promise<void> {
    try {
      while (this.#arrived.length > 0) {
        const arrived = this.#arrived;
        this.#arrived = [];
        const added = await this.#context.store.add(
          arrived.map(({ event, relay, standing }) => ({ event, relay, standing })),
        );
        this.#options.stored(added);
      }
    } finally {
      this.#writing = undefined;
    }
  }

  async #save(following: Following): Promise<void> {
    await this.#written();
    // What is not stored must come again.
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#savedMs = this.#context.ports.clock.monotonicMs();
    const state = following.state();
    const relays = Object.entries(state.relays).filter(([url]) => !this.#forgotten.has(url));
    await this.#context.cursors.save(FOLLOW, { ...state, relays: Object.fromEntries(relays) });
  }

  #problem(item: ProblemItem): void {
    if (CURSOR_CODES.test(item.code)) this.#forgotten.add(item.relay);
    // A relay that the agent left owes it nothing.
    if (this.#relays.includes(item.relay)) this.#options.told(item);
    if (item.relayIs !== "reading") this.#awaited.delete(item.relay);
    if (this.#isCaughtUp && this.#awaited.size === 0) this.#tellCaughtUp();
  }

  #caughtUp(url: string, following: Following, signal: AbortSignal): void {
    this.#awaited.delete(url);
    const isFirst = !this.#isCaughtUp;
    this.#isCaughtUp = true;
    if (this.#awaited.size === 0) this.#tellCaughtUp();
    if (!isFirst) return;
    void this.#context.ports.clock.sleep(LAGGARDS_MS, signal).then(
      () => {
        for (const late of this.#awaited) {
          const error = new AntsError("relay-unreachable", `cannot reach the relay ${late}`, {
            details: { url: late },
          });
          this.#options.told(problemOf(late, error, "paused"));
        }
        this.#tellCaughtUp();
        if (!this.#options.live) void following.close();
      },
      () => undefined,
    );
  }

  /** After everything that came before it. */
  #tellCaughtUp(): void {
    if (!this.#isCaughtUp || this.#isTold) return;
    this.#isTold = true;
    this.#telling = this.#written().then(() => this.#options.told({ type: "caught-up" }));
  }

  async #written(): Promise<void> {
    await this.#writing;
  }
}
