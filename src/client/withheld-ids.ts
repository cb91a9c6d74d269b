import { AntsError } from "../../keys/errors.js";
import { type ProblemItem, problemOf } from "./follow-item.js";

/** Ids that are remembered, the oldest forgotten first. */
const MAX_IDS = 16_384;

/** Which relays withhold which events: shared by all readers of a follow, since only together they see a lie. */
export class WithheldIds {
  readonly #relays = new Map<string, Set<string>>();

  /** True for the first relay that withholds it. */
  add(id: string, relay: string): boolean {
    const known = this.#relays.get(id);
    if (known !== undefined) {
      known.add(relay);
      return false;
    }
    this.#relays.set(id, new Set([relay]));
    if (this.#relays.size > MAX_IDS) {
      for (const oldest of this.#relays.keys()) {
        this.#relays.delete(oldest);
        break;
      }
    }
    return true;
  }

  /** The event turned out to be public: these relays lied. */
  take(id: string): Iterable<string> {
    const relays = this.#relays.get(id) ?? [];
    this.#relays.delete(id);
    return relays;
  }
}

/** A relay says of an event that anybody may read that it may not be seen. */
export function withheldLie(
  relay: string,
  event: { readonly did: string; readonly seq: number; readonly id: string },
): ProblemItem {
  const { did, seq, id } = event;
  const message = `${relay} withholds event ${seq} of ${did}, which anybody may read`;
  const error = new AntsError("relay-omitted", message, { details: { url: relay, did, seq, id } });
  return problemOf(relay, error, "reading");
}
