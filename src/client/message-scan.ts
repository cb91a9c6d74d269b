import { fromUtf8 } from "../../keys/bytes.js";
import type { JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import type { ChainHead, Event } from "../protocol/event.js";
import { DEFAULT_LIMITS, MAX_FRAME_ENTRIES } from "../protocol/limits.js";
import { isSealedMessage } from "../protocol/sealed-message.js";
import { Backoff } from "./backoff.js";
import type { ChainStore } from "./chain-store.js";
import { Gate } from "./gate.js";
import type { ClientPorts } from "./ports.js";

/** A sealed message on the agent's own chain. */
export interface FoundMessage extends Pick<Event, "id" | "seq" | "time"> {
  readonly to: readonly Did[];
}

export interface MessageScanContext {
  readonly chain: Pick<ChainStore, "read" | "tree">;
  readonly ports: Pick<ClientPorts, "clock" | "random">;
  /** The chain is committed up to here; -1 where none of it is. */
  committedSeq(): number;
  found(message: FoundMessage): void;
  /** {@link MessageScan.upTo} moved: everything up to there was found. */
  advanced(): void;
}

/** A sealed message as the line of its event begins. */
const MESSAGE_START = '{"body":{"box":"';
/** A disk that cannot be read is asked again, less and less often. */
const READ_AGAIN = { firstMs: 1_000, maxMs: 60_000 };

/** Finds the messages on the part of the agent's own chain that is committed, in order, each once. */
export class MessageScan {
  readonly #context: MessageScanContext;
  readonly #more = new Gate();
  readonly #backoff: Backoff;
  #upTo: ChainHead | undefined;

  /** `upTo`: the last event that an earlier run looked at; from the start of the chain without it. */
  constructor(context: MessageScanContext, upTo: ChainHead | undefined) {
    this.#context = context;
    this.#backoff = new Backoff(context.ports.clock, context.ports.random, READ_AGAIN);
    this.#upTo = upTo;
  }

  /** The last event that was looked at. */
  get upTo(): ChainHead | undefined {
    return this.#upTo;
  }

  /** More may be committed by now. */
  wake(): void {
    this.#more.open();
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const from = (this.#upTo?.seq ?? -1) + 1;
        const toSeq = this.#context.committedSeq();
        if (from > toSeq) await this.#more.wait(signal);
        else if (await this.#page(from, toSeq, signal)) this.#backoff.reset();
        else await this.#backoff.wait(signal);
      } catch {
        // What cannot be read now is read later: without a pause it would be asked for again at once.
        await this.#backoff.wait(signal).catch(() => undefined);
      }
    }
  }

  /** Reads on. False where nothing came. */
  async #page(from: number, toSeq: number, signal: AbortSignal): Promise<boolean> {
    const { chain, found, advanced } = this.#context;
    const maxBytes = DEFAULT_LIMITS.maxFrameBytes;
    const lines = await chain.read(from, { maxBytes, maxEntries: MAX_FRAME_ENTRIES, toSeq });
    if (lines.length === 0 || signal.aborted) return false;
    for (const line of lines) {
      const message = messageOf(line);
      if (message !== undefined) found(message);
    }
    const { epoch, seq, id } = chain.tree.chainAt(from + lines.length - 1)!;
    this.#upTo = { epoch, seq, id };
    advanced();
    return true;
  }
}

/** A line of the agent's own chain, which was verified when the chain was opened or written. */
function messageOf(line: Uint8Array): FoundMessage | undefined {
  if (fromUtf8(line.subarray(0, MESSAGE_START.length)) !== MESSAGE_START) return undefined;
  const { id, seq, time, to, body } = JSON.parse(fromUtf8(line)) as Event;
  if (to === undefined || body === undefined || !isSealedMessage(body as JsonObject)) return undefined;
  return { id, seq, time, to: to as readonly Did[] };
}
