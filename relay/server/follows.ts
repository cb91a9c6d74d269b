/**
 * The follows of one connection. A follow is a cursor and a filter, no queue: the log itself is what waits. A frame is
 * read and sent when the connection has taken most of what it was sent before, and when it is its turn.
 */
import { AntsError } from "../../keys/errors.js";
import type { Filter } from "../../src/protocol/filter.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { HEAD_INTERVAL_MS } from "../../src/protocol/limits.js";
import type { EntriesMessage, FollowMessage, RelayMessage } from "../../src/protocol/messages.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import { pageBytes } from "./answer-bytes.js";
import type { Page } from "./log-reader.js";
import type { Outlet } from "./outlet.js";
import type { RelayContext } from "./relay-context.js";
import type { Viewer } from "./viewer.js";

/**
 * Unsent bytes of a connection below which the next frame is read for it: two ordinary frames on the way keep any
 * link busy, more would only be memory. The configured bound of unsent bytes holds beside it.
 */
const READ_AHEAD_BYTES = 512 * 1024;

interface Follow {
  readonly ref: number;
  readonly filter: Filter | undefined;
  readonly live: boolean;
  /** Everything up to here was served, withheld, or not wanted. */
  position: number;
  isCaughtUp: boolean;
  isHeadDue: boolean;
  lastHeadMs: number;
}

export interface FollowsOptions {
  readonly context: RelayContext;
  /** As clientAddress gives it. */
  readonly address: string;
  readonly viewer: Viewer;
  readonly outlet: Outlet;
}

export class Follows {
  readonly #context: RelayContext;
  readonly #address: string;
  readonly #viewer: Viewer;
  readonly #outlet: Outlet;
  /** In the order of their turns: who was served goes to the end. */
  readonly #follows = new Map<number, Follow>();
  #isServing = false;
  #isClosed = false;

  constructor({ context, address, viewer, outlet }: FollowsOptions) {
    this.#context = context;
    this.#address = address;
    this.#viewer = viewer;
    this.#outlet = outlet;
  }

  /** Throws `follow-limit`, `bad-message` for a ref that is in use, and the cursor's errors. */
  add({ ref, after, filter, live, allowGap }: FollowMessage): void {
    const { limits, reader, clock } = this.#context;
    if (this.#follows.has(ref)) {
      throw new AntsError("bad-message", `ref ${ref} is a follow of this connection already`, {
        details: { t: "follow", ref, field: "ref", expected: "a number that is not in use" },
      });
    }
    if (this.#follows.size >= limits.maxFollows) {
      throw new AntsError("follow-limit", `one connection has at most ${limits.maxFollows} follows here`, {
        details: { limit: "maxFollows", value: limits.maxFollows },
      });
    }
    this.#follows.set(ref, {
      ref,
      filter: Object.keys(filter).length === 0 ? undefined : filter,
      live,
      position: reader.positionAfter(after, allowGap === true),
      isCaughtUp: false,
      isHeadDue: false,
      lastHeadMs: clock.monotonicMs(),
    });
    this.wake();
  }

  /** Ends a follow and says where; one that is not there may have ended by itself, and is answered all the same. */
  remove(ref: number): void {
    const follow = this.#follows.get(ref);
    if (follow === undefined) {
      throw new AntsError("bad-message", `no follow of this connection has ref ${ref}`, {
        details: { t: "unfollow", ref, field: "ref", expected: "the ref of a follow" },
      });
    }
    this.#end(follow);
  }

  /** Called when the log has grown, when bytes have left, and when a follow was added. */
  wake(): void {
    if (this.#isServing || this.#isClosed || this.#outlet.unsentBytes >= READ_AHEAD_BYTES) return;
    if (this.#nextFollow() === undefined) return;
    this.#isServing = true;
    void this.#serve().finally(() => {
      this.#isServing = false;
    });
  }

  /** Has the heads that are due sent, each in its turn. */
  beat(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const follow of this.#follows.values()) {
      if (nowMs - follow.lastHeadMs >= HEAD_INTERVAL_MS) follow.isHeadDue = true;
    }
    this.wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#follows.clear();
  }

  async #serve(): Promise<void> {
    while (!this.#isClosed && this.#mayReadAhead()) {
      const follow = this.#nextFollow();
      if (follow === undefined) return;
      this.#follows.delete(follow.ref);
      this.#follows.set(follow.ref, follow);
      await this.#context.turns.next(this.#address);
      await this.#serveOne(follow);
      if (follow.isHeadDue && this.#follows.get(follow.ref) === follow) await this.#sendHead(follow);
    }
  }

  async #serveOne(follow: Follow): Promise<void> {
    const { reader, limits, turns } = this.#context;
    const goOn = async () => {
      await turns.next(this.#address);
      return this.#follows.get(follow.ref) === follow;
    };
    const wish = {
      viewer: this.#viewer,
      maxEntries: limits.maxFrameEntries,
      maxBytes: pageBytes(this.#context),
      ...(follow.filter === undefined ? {} : { filter: follow.filter }),
    };
    try {
      const page = await reader.page(follow.position, wish, goOn);
      if (this.#follows.get(follow.ref) !== follow) return;
      follow.position = page.position;
      if (page.at.length > 0 || page.withheld.length > 0) {
        this.#outlet.send(entriesFrame(follow.ref, page, reader.cursorAt(page.position)));
      }
      if (page.isEnd) await this.#caughtUp(follow);
    } catch (error) {
      this.#fail(follow, error);
    }
  }

  async #caughtUp(follow: Follow): Promise<void> {
    if (follow.isCaughtUp) return;
    follow.isCaughtUp = true;
    this.#send({ t: "caught-up", ref: follow.ref, cursor: this.#cursorOf(follow) });
    await this.#sendHead(follow);
    if (!follow.live && this.#follows.get(follow.ref) === follow) this.#end(follow);
  }

  /** The cursor of a head is the follow's own: whoever stores it goes on from there. The signed tree is no smaller. */
  async #sendHead(follow: Follow): Promise<void> {
    follow.lastHeadMs = this.#context.clock.monotonicMs();
    follow.isHeadDue = false;
    try {
      const { checkpoint } = await this.#context.reader.treeHead(follow.position);
      if (this.#follows.get(follow.ref) !== follow) return;
      this.#send({ t: "head", ref: follow.ref, cursor: this.#cursorOf(follow), checkpoint });
    } catch (error) {
      this.#fail(follow, error);
    }
  }

  #end(follow: Follow): void {
    this.#follows.delete(follow.ref);
    this.#send({ t: "ended", ref: follow.ref, cursor: this.#cursorOf(follow) });
  }

  #fail(follow: Follow, error: unknown): void {
    if (this.#follows.get(follow.ref) !== follow) return;
    this.#follows.delete(follow.ref);
    if (!(error instanceof AntsError)) this.#context.onFault(error);
    const told = error instanceof AntsError ? error : new AntsError("internal", "the relay could not read its log");
    this.#send({ t: "ended", ref: follow.ref, ...refusalOf(told), cursor: this.#cursorOf(follow) });
  }

  #mayReadAhead(): boolean {
    const { config, unsent } = this.#context;
    const { unsentBytes } = this.#outlet;
    if (unsent.isExceeded && unsentBytes > 0) return false;
    return unsentBytes < Math.min(READ_AHEAD_BYTES, config.maxUnsentBytes);
  }

  #nextFollow(): Follow | undefined {
    const { position } = this.#context.ledger;
    for (const follow of this.#follows.values()) {
      if (follow.position < position || !follow.isCaughtUp || follow.isHeadDue) return follow;
    }
    return undefined;
  }

  #cursorOf(follow: Follow): string {
    return this.#context.reader.cursorAt(follow.position);
  }

  #send(message: RelayMessage): void {
    const frame = encodeFrame(message);
    this.#outlet.send(Buffer.from(frame.buffer, frame.byteOffset, frame.length));
  }
}

/** The frame of a page: the envelope, then the stored bytes as they are, in one copy. */
export function entriesFrame(ref: number, page: Page, cursor: string): Buffer {
  const message: EntriesMessage = {
    t: "entries",
    ref,
    at: page.at,
    ...(page.withheld.length === 0 ? {} : { withheld: page.withheld }),
    cursor,
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(message)}\n`), ...page.lines]);
}
