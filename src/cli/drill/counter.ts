import type { ChildEnd } from "../demo/ants-child.js";
import type { CounterSaid, CountingOptions } from "./counting.js";
import type { DrillHost, HostChild } from "./drill-host.js";

export interface CounterOptions {
  readonly receiver: string;
  readonly takeover?: boolean;
  readonly wait?: boolean;
  readonly timeoutMs?: number;
}

/** Between two numbers: a few dozen a second. */
const EVERY_MS = 25;
const TIMEOUT_MS = 20_000;

/** A counting agent at work on a host. */
export class Counter {
  readonly host: DrillHost;
  /** The numbers that it said were committed, with the ids of their events. */
  readonly counted: { readonly n: number; readonly id: string }[] = [];
  readonly #child: HostChild;
  readonly #said: CounterSaid[] = [];
  readonly #waiting = new Set<() => void>();
  #isOver = false;
  /** When it said that the pen is lost, by this process's monotonic clock. */
  lostAtMs: number | undefined;

  constructor(host: DrillHost, options: CounterOptions) {
    this.host = host;
    const told: CountingOptions = {
      home: host.home,
      vault: host.vault,
      passphraseFile: host.passphraseFile,
      host: host.name,
      everyMs: EVERY_MS,
      timeoutMs: TIMEOUT_MS,
      ...options,
    };
    this.#child = host.start([JSON.stringify(told)], (line) => this.#heard(JSON.parse(line) as CounterSaid), {
      program: "counting-agent",
    });
    const over = (): void => {
      this.#isOver = true;
      this.#changed();
    };
    this.#child.ended.then(over, over);
  }

  /** The highest number that it committed; 0 for none. */
  get last(): number {
    return this.counted.at(-1)?.n ?? 0;
  }

  /** Resolves when it holds the pen; throws what it ended with otherwise. */
  async opened(): Promise<Extract<CounterSaid, { at: "open" }>> {
    return this.#first("open", "before it held the pen");
  }

  /** Resolves when it committed so many numbers itself; throws when it ended before. */
  async counts(numbers: number): Promise<void> {
    await this.#until(() => this.counted.length >= numbers, `after ${this.counted.length} of ${numbers} numbers`);
  }

  /** Resolves with the reason when it lost the pen. */
  async lost(): Promise<string> {
    return (await this.#first("lost", "without losing the pen")).reason;
  }

  /** Resolves with the code that it ended with. */
  async refusal(): Promise<Extract<CounterSaid, { at: "ended" }>> {
    return this.#first("ended", "without a reason");
  }

  /** Whichever comes first: it holds the pen, or it ended and says why. */
  async fate(): Promise<Extract<CounterSaid, { at: "open" | "ended" }>> {
    const find = () => this.#said.find((said) => said.at === "open" || said.at === "ended");
    await this.#until(() => find() !== undefined, "without a word");
    return find() as Extract<CounterSaid, { at: "open" | "ended" }>;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.signal(name);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.ended;
  }

  /** The orderly way. */
  async stop(): Promise<void> {
    this.#child.signal("SIGTERM");
    await this.#first("closed", "before it had given everything back");
    await this.#child.ended;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get ended(): Promise<ChildEnd> {
    return this.#child.ended;
  }

  async #first<At extends CounterSaid["at"]>(at: At, otherwise: string): Promise<Extract<CounterSaid, { at: At }>> {
    const find = () => this.#said.find((said) => said.at === at);
    await this.#until(() => find() !== undefined, otherwise);
    return find() as Extract<CounterSaid, { at: At }>;
  }

  async #until(isSo: () => boolean, otherwise: string): Promise<void> {
    while (!isSo()) {
      if (this.#isOver) throw this.failure(otherwise);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  failure(what: string): Error {
    const last = this.#said.at(-1);
    return this.#child.failure(
      `on host ${this.host.name} ended ${what}${last === undefined ? "" : ` (${JSON.stringify(last)})`}`,
    );
  }

  #heard(said: CounterSaid): void {
    this.#said.push(said);
    if (said.at === "counted") this.counted.push(said);
    if (said.at === "lost") this.lostAtMs = performance.now();
    this.#changed();
  }

  #changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
