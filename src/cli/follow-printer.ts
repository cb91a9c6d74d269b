import { fromUtf8 } from "../../keys/bytes.js";
import type { EventItem, FollowItem } from "../client/follow-item.js";
import type { Filter } from "../protocol/filter.js";
import { healedForks } from "../protocol/fork.js";
import { eventText } from "./event-text.js";
import { forkJson, forkText } from "./fork-text.js";
import type { Output } from "./output.js";

/** Kinds of the protocol's own: of use to programs, noise to people. */
const OWN_KIND = /^ants\./;

/**
 * Prints what a follow gives. With --json: an event on its author's chain is its exact signed line ("type":"event"),
 * everything else is an object of another type. For people: events on stdout, remarks on stderr.
 */
export class FollowPrinter {
  readonly #out: Output;
  readonly #kinds: readonly string[] | undefined;
  readonly #tags: readonly string[] | undefined;

  constructor(out: Output, chosen: Pick<Filter, "kinds" | "tags">) {
    this.#out = out;
    this.#kinds = chosen.kinds;
    this.#tags = chosen.tags;
  }

  async print(item: FollowItem): Promise<void> {
    const out = this.#out;
    switch (item.type) {
      case "event":
        if (!out.json) this.#healed(item);
        if (this.#isChosen(item)) await (out.json ? this.#eventJson(item) : this.#eventText(item));
        return;
      case "fork":
        if (out.json) await out.value({ type: "fork", ...forkJson(item.proof) });
        else out.warn(`${forkText(item.proof)}; ants forks ${item.proof.did} shows the proof`);
        return;
      case "contested":
      case "settled":
      case "gap":
      case "superseded":
      case "withheld":
      case "problem":
      case "caught-up":
        if (out.json) await out.value(item);
        else this.#remark(item);
        return;
      case "identity":
      case "promise":
        // Verified and taken into account; nothing that an agent said.
        return;
    }
  }

  /** The protocol's own kinds are not shown to people; this one ends a warning that was. */
  #healed({ event, standing }: EventItem): void {
    if (standing === "void") return;
    for (const { epoch, seq } of healedForks(event)) {
      this.#out.note(`${event.did}: the fork at epoch ${epoch}, seq ${seq} is joined by event ${event.id}`);
    }
  }

  #isChosen({ event: { event } }: EventItem): boolean {
    if (this.#kinds !== undefined) {
      if (!this.#kinds.includes(event.kind)) return false;
    } else if (!this.#out.json && OWN_KIND.test(event.kind)) return false;
    return this.#tags === undefined || (event.tags ?? []).some((tag) => this.#tags!.includes(tag));
  }

  #eventJson(item: EventItem): Promise<void> {
    const why = offChain(item);
    if (why === undefined) return this.#out.exact(fromUtf8(item.event.line));
    return this.#out.value({ type: "off-chain", why, event: item.event.event });
  }

  async #eventText(item: EventItem): Promise<void> {
    const why = offChain(item);
    const text = eventText(item.event.event, { author: true });
    await this.#out.line(why === undefined ? text : [text, ` (${why})`]);
  }

  #remark(item: Exclude<FollowItem, EventItem | { type: "identity" | "promise" | "fork" }>): void {
    const out = this.#out;
    switch (item.type) {
      case "contested":
        out.warn(
          `${item.did}: two updates of its identity clash (${item.branches.join(", ")}); read on by ${item.goesOnWith} until its owner settles that`,
        );
        return;
      case "settled":
        out.note(`${item.did}: the clash of its updates is settled; ${item.goesOnWith} speaks for it`);
        return;
      case "gap":
        out.warn(`${item.did}: events ${item.fromSeq} to ${item.toSeq} are missing, and no reachable relay has them`);
        return;
      case "superseded":
        out.warn(`${item.did}: ${item.ids.length} events shown before are no longer on its chain (claim ${item.by})`);
        if (item.restored !== undefined) {
          out.warn(`${item.did}: ${item.restored.length} events shown as superseded are on its chain again`);
        }
        return;
      case "withheld":
        out.note(`${item.did}: event ${item.seq} is for its author and its recipients only`);
        return;
      case "problem":
        out.warn(`${item.relay}: ${item.message}`);
        return;
      case "caught-up":
        return;
    }
  }
}

/** Why an event is not on its author's chain, where it isn't. */
function offChain(item: EventItem): "void" | "superseded" | undefined {
  if (item.standing === "void") return "void";
  return item.superseded === true ? "superseded" : undefined;
}
