import { AntsChild, type ChildOptions } from "./ants-child.js";

/**
 * All processes of the demo. None of them outlives it: they are killed when it ends, when it is interrupted, and when
 * its process exits at once on a second Ctrl-C.
 */
export class Company implements AsyncDisposable {
  readonly #env: ChildOptions["env"];
  readonly #signal: AbortSignal;
  readonly #children = new Set<AntsChild>();
  readonly #killAll = (): void => {
    for (const child of this.#children) child.signal("SIGKILL");
  };

  constructor(env: ChildOptions["env"], signal: AbortSignal) {
    this.#env = env;
    this.#signal = signal;
    // Before whoever clears away what they write.
    process.prependListener("exit", this.#killAll);
    signal.addEventListener("abort", this.#killAll, { once: true });
  }

  /**
   * Starts `ants` with these arguments, or what `more` says, with its environment on top of the company's. Throws the
   * signal's reason once that is aborted.
   */
  start(args: readonly string[], onLine?: ChildOptions["onLine"], more: Partial<ChildOptions> = {}): AntsChild {
    this.#signal.throwIfAborted();
    const env = { ...this.#env, ...more.env };
    const child = new AntsChild(args, { ...more, env, ...(onLine === undefined ? {} : { onLine }) });
    this.#children.add(child);
    const forget = (): void => void this.#children.delete(child);
    child.ended.then(forget, forget);
    return child;
  }

  /** Kills what still runs; resolves when all of them are gone, and write no more files. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#killAll();
    await Promise.allSettled([...this.#children].map((child) => child.ended));
    this.#signal.removeEventListener("abort", this.#killAll);
    process.off("exit", this.#killAll);
  }
}
