import { type AntsError, isAntsError } from "../../keys/errors.js";
import type { Random } from "../../keys/ports.js";
import { drawFraction } from "./backoff.js";
import type { LogPlace } from "./log-check.js";
import type { ProofCheck } from "./proof-check.js";

/** Served entries whose inclusion is still to be proven; what comes while there are so many is passed over. */
const MAX_UNPROVEN = 4_096;

export interface HeadProofsOptions {
  readonly samples: "sampled" | "every";
  readonly random: Random;
  /** A head of this size, and what was served before it, is proven. */
  readonly proven: (size: number) => void;
  /** A proof could not be had just now; the next head asks for it again. */
  readonly failed: (error: AntsError) => void;
}

/** Has a relay's heads, and entries that it served, proven in the background, one head at a time. */
export class HeadProofs {
  readonly #check: ProofCheck;
  readonly #options: HeadProofsOptions;
  #unproven: LogPlace[] = [];
  #proving: Promise<void> | undefined;
  /** The newest head that came while another was being proven. */
  #next: string | undefined;

  constructor(check: ProofCheck, options: HeadProofsOptions) {
    this.#check = check;
    this.#options = options;
  }

  /** The newest signed head that is proven to continue all before it. */
  get checkpoint(): string | undefined {
    return this.#check.checkpoint;
  }

  /** A frame served these: all of them will be proven, or one at random. */
  served(places: readonly LogPlace[]): void {
    if (places.length === 0) return;
    const one = Math.floor(drawFraction(this.#options.random) * places.length);
    const chosen = this.#options.samples === "every" ? places : [places[one]!];
    if (this.#unproven.length + chosen.length <= MAX_UNPROVEN) this.#unproven.push(...chosen);
  }

  /** A signed head came; calls `fault` when it, or what was served, turns out to be a lie. */
  head(note: string, fault: (error: AntsError) => void, signal: AbortSignal): void {
    this.#next = note;
    this.#proving ??= this.#proveAll(fault, signal).finally(() => {
      this.#proving = undefined;
    });
  }

  /** Waits for the proofs under way. */
  async settled(): Promise<void> {
    await this.#proving;
  }

  async #proveAll(fault: (error: AntsError) => void, signal: AbortSignal): Promise<void> {
    for (let note = this.#next; note !== undefined && !signal.aborted; note = this.#next) {
      this.#next = undefined;
      const places = this.#unproven;
      this.#unproven = [];
      try {
        this.#unproven.push(...(await this.#check.head(note, places)));
        this.#options.proven(this.#check.size);
      } catch (error) {
        this.#unproven.push(...places);
        if (signal.aborted || !isAntsError(error)) return;
        if (error.code === "relay-unreachable") this.#options.failed(error);
        else {
          fault(error);
          return;
        }
      }
    }
  }
}
