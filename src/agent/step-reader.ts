import type { JsonObject } from "../../keys/canonical.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ChainStore } from "../client/chain-store.js";
import { type ChainHead, type Event, parseEvent } from "../protocol/event.js";
import { isSealedBody, openBody } from "../protocol/private-body.js";
import { ownEvents } from "./own-events.js";
import { STEP_KINDS, StepLedger } from "./step-records.js";

/** Reads the steps of an agent from its chain on this disk, each time from where it stopped. */
export class StepReader {
  readonly #chain: ChainStore;
  readonly #stateKeys: readonly Uint8Array[];
  #ledger = new StepLedger();
  #last: ChainHead | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  /** `stateKeys`: the present one and those of earlier eras. */
  constructor(chain: ChainStore, stateKeys: readonly Uint8Array[]) {
    this.#chain = chain;
    this.#stateKeys = stateKeys;
  }

  /** Throws `step-unreadable` where a step event is sealed under a key that is not here, and disk errors. */
  async read(): Promise<StepLedger> {
    const ledger = await this.survey();
    if (ledger.unreadable === undefined) return ledger;
    const { seq, id } = ledger.unreadable;
    throw new AntsError(
      "step-unreadable",
      `seq ${seq} tells of a step and is sealed under a key that is not in this vault`,
      {
        hint: "bring the vault from where the key was replaced (ants vault export there, ants vault import here), or ants recover with the words",
        details: { seq, id },
      },
    );
  }

  /** As {@link read}, whatever can be read. One reading at a time: each goes on where the one before it stopped. */
  survey(): Promise<StepLedger> {
    const reading = this.#reading.catch(() => {}).then(() => this.#goOn());
    this.#reading = reading;
    return reading;
  }

  /** What was known before the event at `seq`: all of it is read anew. Throws disk errors. */
  async before(seq: number): Promise<StepLedger> {
    const ledger = new StepLedger();
    for await (const event of ownEvents(this.#chain, STEP_KINDS, 0, seq - 1)) ledger.add(event, this.#opened(event));
    return ledger;
  }

  /** The opened body of one step event. Throws `step-unreadable`, disk errors. */
  async body({ id, seq }: Pick<ChainHead, "id" | "seq">): Promise<JsonObject> {
    const at = this.#chain.tree.find(id, seq);
    const body = at === undefined ? undefined : this.#opened(parseEvent(await this.#chain.line(at)).event);
    if (body !== undefined) return body;
    throw new AntsError("step-unreadable", `event ${id} cannot be opened`, { details: { seq, id } });
  }

  async #goOn(): Promise<StepLedger> {
    const { head, tree } = this.#chain;
    if (head === undefined) return this.#ledger;
    // Another turn may have gone on from before what was read last: then all of it is read anew.
    if (this.#last !== undefined && !tree.onChain(this.#last.id, this.#last.seq)) {
      this.#ledger = new StepLedger();
      this.#last = undefined;
    }
    const { epoch, seq, id } = head;
    try {
      for await (const event of ownEvents(this.#chain, STEP_KINDS, (this.#last?.seq ?? -1) + 1, seq)) {
        this.#ledger.add(event, this.#opened(event));
      }
    } catch (error) {
      // Nobody knows which of them were added, and an intent counts each time that it is.
      this.#ledger = new StepLedger();
      this.#last = undefined;
      throw error;
    }
    this.#last = { epoch, seq, id };
    return this.#ledger;
  }

  /** Undefined for what these keys do not open, and for what is not private: nobody but the agent writes these. */
  #opened(event: Event): JsonObject | undefined {
    const { body } = event;
    if (body === undefined || !isSealedBody(body)) return undefined;
    try {
      return openBody(body, this.#stateKeys, event);
    } catch (error) {
      if (isAntsError(error)) return undefined;
      throw error;
    }
  }
}
