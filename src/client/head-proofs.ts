import { type AntsError, isAntsError } from "../../keys/errors.js";
import type { Random } from "../../keys/ports.js";
import { drawFraction } from "./backoff.js";
import type { LogPlace } from "./log-check.js";
import type { ProofCheck } from "./proof-check.js";

/** Served entries whose inclusion is still to be proven; what comes while there are so many is passed over. */
const MAX_UNPROVEN = 4_096;

/** Has a relay's heads, and entries that it served, proven in the background, one head at a time. */
export class HeadProofs {
  readonly #check: ProofCheck;
  readonly #samples: "sampled" | "every";
  readonly #random: Random;
  #unproven: LogPlace[] = [];
  #proving: Promise<void> | undefined;

  constructor(check: ProofCheck, samples: "sampled" | "every", random: Random) {
    this.#check = check;
    this.#samples = samples;
    this.#random = random;
  }

  /** The newest signed head that is proven to continue all before it. */
  get checkpoint(): string | undefined {
    return this.#check.checkpoint;
  }

  /** A frame served these: all of them will be proven, or one at random. */
  served(places: readonly LogPlace[]): void {
    if (places.length === 0) return;
    const one = Math.floor(drawFraction(this.#random) * places.length);
    const chosen = this.#samples === "every" ? places : [places[one]!];
    if (this.#unproven.length + chosen.length <= MAX_UNPROVEN) this.#unproven.push(...chosen);
  }

  /** A signed head came; calls `fault` when it, or what was served, turns out to be a lie. */
  head(note: string, fault: (error: AntsError) => void, signal: AbortSignal): void {
    if (this.#proving !== undefined) return;
    const places = this.#unproven;
    this.#unproven = [];
    this.#proving = this.#prove(note, places, fault, signal);
  }

  /** Waits for the proof under way. */
  async settled(): Promise<void> {
    await this.#proving;
  }

  async #prove(
    note: string,
    places: readonly LogPlace[],
    fault: (error: AntsError) => void,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      this.#unproven.push(...(await this.#check.head(note, places)));
    } catch (error) {
      this.#unproven.push(...places);
      const canWait = isAntsError(error, "relay-unreachable") || isAntsError(error, "too-large");
      if (!signal.aborted && isAntsError(error) && !canWait) fault(error);
    } finally {
      this.#proving = undefined;
    }
  }
}
