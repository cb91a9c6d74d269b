import { AntsError } from "../keys/errors.js";

/** What happens to one group, in this order; a group is everything that was admitted while the last one was written. */
export interface GroupWork<Group> {
  /** Takes what was admitted so far out of admission. Synchronous; the group is closed when it returns. */
  close(): Group;
  /** Puts it on disk; resolves when a crash can no longer take it back. */
  persist(): Promise<unknown>;
  /** Makes it visible: tree, index, position. Synchronous. */
  publish(group: Group): void;
}

/**
 * Group commit: one write and one fdatasync for all frames that came meanwhile. Whoever admitted something waits in
 * {@link durable}; answers leave in the order of those calls.
 *
 * The first failure is final. After a failed fsync nobody knows what the disk holds, and after an error that nobody
 * expected nobody knows what is in memory: everything that waits and everything later is refused with the same error,
 * and nothing more is written or published.
 */
export class GroupCommit<Group> {
  readonly #work: GroupWork<Group>;
  #waiting: { resolve(): void; reject(error: unknown): void }[] = [];
  #running: Promise<void> | undefined;
  #failure: AntsError | undefined;

  constructor(work: GroupWork<Group>) {
    this.#work = work;
  }

  /** Why nothing is taken any more. */
  get failure(): AntsError | undefined {
    return this.#failure;
  }

  /** Resolves when everything admitted before this call is on disk and visible; rejects with the failure. */
  durable(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#running ??= this.#run();
    return done;
  }

  /** Something went wrong where groups are made: nothing is taken any more. Returns why, which is the first failure. */
  fail(error: unknown): AntsError {
    this.#failure ??=
      error instanceof AntsError
        ? error
        : new AntsError("internal", "the relay met an error of its own and takes nothing more until it is restarted", {
            hint: "look at the relay's log for the cause, then restart it; nothing acknowledged is lost",
            cause: error,
          });
    return this.#failure;
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Frames that arrived in the same turn of the event loop share the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        this.#throwFailure();
        const group = this.#work.close();
        await this.#work.persist();
        this.#throwFailure();
        this.#work.publish(group);
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        const failure = this.fail(error);
        for (const { reject } of [...waiting, ...this.#waiting]) reject(failure);
        this.#waiting = [];
      }
    }
    this.#running = undefined;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
