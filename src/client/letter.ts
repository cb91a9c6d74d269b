import type { Did } from "../../keys/did.js";
import type { AntsError } from "../../keys/errors.js";

/** What is known of one message and one relay of its recipient. */
export type DeliveryResult =
  /** It is on that relay's disk. */
  | { readonly state: "delivered" }
  /** Sent, and not answered: the relay has it or not. It is sent again until it answers. */
  | { readonly state: "unknown"; readonly error?: AntsError }
  /** Not there yet; `error` says why, where an attempt failed. */
  | { readonly state: "waiting"; readonly error?: AntsError }
  /**
   * The relay does not take it; tried again where the recipient is by then. `final`: that relay never will, since the key
   * that signed it was rotated away.
   */
  | { readonly state: "refused"; readonly error: AntsError; readonly final?: true };

/** What became of a message for one of its recipients. */
export interface RecipientResult {
  readonly did: Did;
  /** At least one of its relays has it. */
  readonly delivered: boolean;
  /** By URL; empty where no relay of the recipient is known, or may be dialled. */
  readonly relays: Readonly<Record<string, DeliveryResult>>;
}

/** A message on its way, and what is known of it. */
export class Letter {
  readonly id: string;
  readonly seq: number;
  /** When it was written, by the author's clock, milliseconds since 1970. */
  readonly timeMs: number;
  readonly recipients: readonly Did[];
  /** By URL. A relay that has the event has it for whoever reads there. */
  readonly #results = new Map<string, DeliveryResult>();

  constructor(id: string, seq: number, timeMs: number, recipients: readonly Did[]) {
    this.id = id;
    this.seq = seq;
    this.timeMs = timeMs;
    this.recipients = recipients;
  }

  isFor(did: Did): boolean {
    return this.recipients.includes(did);
  }

  /** URLs of relays that have it. */
  get have(): string[] {
    return [...this.#results].flatMap(([url, { state }]) => (state === "delivered" ? [url] : []));
  }

  isDelivered(url: string): boolean {
    return this.#results.get(url)?.state === "delivered";
  }

  /** The relay will never take it. */
  isLostAt(url: string): boolean {
    return isFinal(this.resultAt(url));
  }

  /** Whether an attempt to bring it there has ended, either way. */
  wasTried(url: string): boolean {
    return this.#results.has(url);
  }

  resultAt(url: string): DeliveryResult {
    return this.#results.get(url) ?? { state: "waiting" };
  }

  delivered(url: string): void {
    this.#results.set(url, { state: "delivered" });
  }

  failed(url: string, result: Exclude<DeliveryResult, { state: "delivered" }>): void {
    if (!this.isDelivered(url)) this.#results.set(url, result);
  }
}

/** Whether no relay of a recipient has a message or will ever take it, as far as its relays are known. */
export function isLost({ delivered, relays }: RecipientResult): boolean {
  const results = Object.values(relays);
  return !delivered && results.length > 0 && results.every(isFinal);
}

function isFinal(result: DeliveryResult): boolean {
  return result.state === "refused" && result.final === true;
}
