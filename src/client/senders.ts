import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Event } from "../protocol/event.js";
import { withDeadline } from "./deadline.js";
import type { EventItem } from "./follow-item.js";
import { standingOf } from "./identities.js";
import type { Sender } from "./inbox-item.js";
import type { ClientPorts } from "./ports.js";
import type { ResolvedAgent } from "./resolved-agent.js";
import type { Resolver } from "./resolver.js";

/** What is known of a sender beyond what the relay with the message says. */
interface Found {
  readonly sender: Sender;
  readonly agent?: ResolvedAgent;
}

/** A message is not held up for longer by a sender's relays that don't answer. */
const PATIENCE_MS = 3_000;
/** What was found out holds for so long; a sender that rotates is noticed by the next message after that. */
const FRESH_MS = 300_000;
const MAX_SENDERS = 4_096;
/** Handles of one sender that are tried until one is confirmed. */
const MAX_HANDLES = 2;

/** Finds out who senders are: from their own relays too, since the one with the message may not know that a key is stolen. */
export class Senders {
  readonly #resolver: Pick<Resolver, "resolve">;
  readonly #ports: ClientPorts;
  readonly #found = new Map<Did, { readonly sinceMs: number; readonly found: Promise<Found> }>();

  constructor(resolver: Pick<Resolver, "resolve">, ports: ClientPorts) {
    this.#resolver = resolver;
    this.#ports = ports;
  }

  /** Who wrote an event, and how its key stands now; `came`: how it stood by what the relay knew. */
  async judge(
    event: Event,
    came: EventItem["standing"],
    signal: AbortSignal,
  ): Promise<{ readonly sender: Sender; readonly standing: EventItem["standing"] }> {
    const { sender, agent } = await this.#find(event.did, signal);
    const known = agent !== undefined && "log" in agent ? agent.log.standingOf(event.key) : undefined;
    const now = known === undefined ? came : standingOf(known, event);
    const standing = came === "void" || now === "void" ? "void" : now === "retired" ? now : came;
    return { sender, standing };
  }

  #find(did: Did, signal: AbortSignal): Promise<Found> {
    const nowMs = this.#ports.clock.monotonicMs();
    const known = this.#found.get(did);
    if (known !== undefined && nowMs - known.sinceMs < FRESH_MS) return known.found;
    const found = this.#resolve(did, signal);
    this.#found.delete(did);
    this.#found.set(did, { sinceMs: nowMs, found });
    for (const oldest of this.#found.keys()) {
      if (this.#found.size <= MAX_SENDERS) break;
      this.#found.delete(oldest);
    }
    found.catch(() => this.#found.delete(did));
    return found;
  }

  async #resolve(did: Did, signal: AbortSignal): Promise<Found> {
    let agent: ResolvedAgent | undefined;
    let handle: string | undefined;
    const late = new AntsError("request-timeout", `the relays of ${did} take their time`);
    try {
      await withDeadline(
        this.#ports.clock,
        PATIENCE_MS,
        signal,
        () => late,
        async (signal) => {
          agent = await this.#resolver.resolve(did, { signal });
          handle = "state" in agent ? await this.#handleOf(did, agent.state.head.op.handles, signal) : undefined;
        },
      );
    } catch (error) {
      signal.throwIfAborted();
      if (!isAntsError(error)) throw error;
    }
    return { sender: { did, ...(handle === undefined ? {} : { handle }) }, ...(agent === undefined ? {} : { agent }) };
  }

  /** The first handle that the identity names and that leads back to it. */
  async #handleOf(did: Did, handles: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    for (const handle of handles.slice(0, MAX_HANDLES)) {
      try {
        const found = await this.#resolver.resolve(handle, { signal });
        if (found.status === "verified" && found.did === did) return handle;
      } catch (error) {
        signal.throwIfAborted();
        if (!isAntsError(error)) throw error;
      }
    }
    return undefined;
  }
}
