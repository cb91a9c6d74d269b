import { AntsError, isAntsError } from "../../../keys/errors.js";
import { type Following, follow } from "../../../src/client/follow.js";
import type { FollowItem } from "../../../src/client/follow-item.js";
import type { Event } from "../../../src/protocol/event.js";
import type { PenWorld } from "./pen-world.js";
import { SimProcess } from "./sim-process.js";

/** What was told of one event. */
interface Told {
  readonly seq: number;
  readonly prev: string | undefined;
  isOnChain: boolean;
}

/**
 * Somebody who follows the agent wherever it is: the production follower, on a machine of its own. What it is told must
 * be one story at every moment: each event once, each after the one that it names, and whatever the agent's chain leaves
 * behind (or takes up again) said before the event that does so.
 */
export class Follower {
  readonly #world: PenWorld;
  readonly #told = new Map<string, Told>();
  /** Seqs that were told to be missing. */
  readonly #gaps = new Set<number>();
  /** Events on the chain as it was told, by seq. */
  readonly #chain = new Map<number, string>();
  #following: Following | undefined;
  #process: SimProcess | undefined;
  isReading = false;

  constructor(world: PenWorld) {
    this.#world = world;
  }

  /** Reads until {@link close}. */
  start(): void {
    const { clock, random, wire, did, genesis } = this.#world;
    const process = new SimProcess("reader", clock);
    this.#process = process;
    this.#following = follow(
      { agents: [{ did, operations: [genesis] }], mayDial: () => true, proofs: "none" },
      {
        clock: process.clock,
        random,
        dial: wire.dialOf(process, "reader"),
        get: async (url) => {
          throw new AntsError("relay-unreachable", `there is no HTTP here: ${url}`);
        },
      },
    );
    this.isReading = true;
    void this.#read(this.#following);
  }

  /** Whether it has been told of an event, on the chain. */
  has(id: string): boolean {
    return this.#told.get(id)?.isOnChain === true;
  }

  async close(): Promise<void> {
    await this.#following?.close();
    if (this.#process !== undefined) {
      this.#process.kill();
      this.#world.wire.ended(this.#process);
    }
  }

  async #read(following: Following): Promise<void> {
    const { checker, trace } = this.#world;
    try {
      for await (const item of following) this.#hear(item);
    } catch (error) {
      if (!isAntsError(error)) {
        checker.fail("no-internal-error", `the reader: ${(error as Error)?.stack ?? String(error)}`);
      } else {
        checker.count(`reader ended ${error.code}`);
        trace(() => `the reader ends: ${error.code}: ${error.message}`);
      }
    }
    this.isReading = false;
  }

  #hear(item: FollowItem): void {
    const { checker, trace } = this.#world;
    switch (item.type) {
      case "event":
        this.#event(item.event.event, item.superseded === true, item.standing === "void");
        return;
      case "superseded":
        checker.count("read: superseded");
        trace(() => `the reader is told: superseded ${item.ids.map((id) => id.slice(0, 6))} by ${item.by.slice(0, 6)}`);
        this.#superseded(item.ids);
        for (const id of item.restored ?? []) this.#restored(id);
        return;
      case "gap":
        checker.count("read: gaps");
        trace(() => `the reader is told: seq ${item.fromSeq} to ${item.toSeq} are missing`);
        for (let seq = item.fromSeq; seq <= item.toSeq; seq++) this.#gaps.add(seq);
        return;
      case "fork":
        checker.count("read: forks");
        return;
      case "problem":
        checker.count(`read: problem ${item.code}`);
        trace(() => `the reader has a problem with ${item.relay}: ${item.code}, ${item.relayIs}`);
    }
  }

  #superseded(ids: readonly string[]): void {
    const { checker } = this.#world;
    for (const id of ids) {
      const told = this.#told.get(id);
      if (told === undefined || !told.isOnChain) {
        checker.fail("one-story", `${id.slice(0, 6)} is superseded, and was not told of as on the chain`);
        return;
      }
      told.isOnChain = false;
      this.#chain.delete(told.seq);
    }
    if (checker.losesCommitted(ids)) checker.fail("one-story", "an event that was committed is said to be superseded");
  }

  #restored(id: string): void {
    const { checker, trace } = this.#world;
    checker.count("read: restored");
    trace(() => `the reader is told: ${id.slice(0, 6)} is on the chain again`);
    const told = this.#told.get(id);
    if (told === undefined || told.isOnChain || this.#chain.has(told.seq)) {
      checker.fail("one-story", `${id.slice(0, 6)} is restored, and was not told of as superseded, or is not alone`);
      return;
    }
    told.isOnChain = true;
    this.#chain.set(told.seq, id);
  }

  #event({ id, seq, prev, epoch }: Event, isSide: boolean, isVoid: boolean): void {
    const { checker, trace } = this.#world;
    const remark = isVoid ? ", void" : isSide ? ", superseded" : "";
    trace(() => `the reader is told: ${epoch}/${seq} ${id.slice(0, 6)}${remark}`);
    if (this.#told.has(id)) {
      checker.fail("one-story", `the reader is told twice of ${epoch}/${seq} ${id.slice(0, 6)}`);
      return;
    }
    // What a rotate made void before it came is no part of the story.
    if (isVoid) return;
    checker.count("read: events");
    this.#told.set(id, { seq, prev, isOnChain: !isSide });
    if (isSide) return;
    // What was said to be missing may come late, when a relay has it after all: into its place, and no other.
    const isLate = this.#gaps.has(seq) && !this.#chain.has(seq);
    const later = [...this.#chain.keys()].filter((at) => at >= seq);
    if (later.length > 0 && !isLate) {
      checker.fail("one-story", `${epoch}/${seq} comes, and what was told of seq ${later} is not superseded`);
    }
    const after = this.#chain.get(seq + 1);
    if (after !== undefined && this.#told.get(after)?.prev !== id) {
      checker.fail("one-story", `${epoch}/${seq} comes late, and ${after.slice(0, 6)} after it names another`);
    }
    const before = this.#chain.get(seq - 1);
    if (seq > 0 && before !== prev && !(before === undefined && this.#gaps.has(seq - 1))) {
      checker.fail("one-story", `${epoch}/${seq} names ${prev?.slice(0, 6)}, and ${before?.slice(0, 6)} is before it`);
    }
    this.#chain.set(seq, id);
  }
}
