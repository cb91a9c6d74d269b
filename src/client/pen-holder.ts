import { AntsError, isAntsError } from "../../keys/errors.js";
import { CLAIM_KIND, parseEvent } from "../protocol/event.js";
import { isoTime } from "../protocol/iso-time.js";
import type { RelayConnection } from "./connection.js";
import { withDeadline } from "./deadline.js";
import type { ClientPorts } from "./ports.js";

/** Who holds the pen, as far as relays and the chain tell. */
export interface PenHolder {
  /** 16 hex digits. */
  readonly instance: string;
  /** The relay that says so. */
  readonly relay: string;
  /** How long ago that relay last saw it. */
  readonly seenMs?: number;
  /** What its claim says of it. */
  readonly label?: string;
  /** When it claimed, by its own clock, milliseconds since 1970. */
  readonly sinceMs?: number;
}

/** The claim is for the message only: an error must not wait long for it. */
const LOOK_UP_TIMEOUT_MS = 3_000;

/** Adds to `holder` what its claim says, where the relay has it and answers soon. */
export async function describeHolder(
  connection: RelayConnection,
  did: string,
  holder: PenHolder,
  ports: ClientPorts,
  signal?: AbortSignal,
): Promise<PenHolder> {
  const late = () => new AntsError("request-timeout", "the holder's claim was not found in time");
  try {
    return await withDeadline(ports.clock, LOOK_UP_TIMEOUT_MS, signal, late, async (signal) => {
      const filter = { dids: [did], kinds: [CLAIM_KIND] };
      let found = holder;
      for await (const { entries } of connection.follow({ after: "start", live: false, filter, signal })) {
        for (const line of entries) {
          const { event } = parseEvent(line);
          // What was not asked for, a pruned line for example, says nothing.
          if (event.did !== did || event.kind !== CLAIM_KIND || event.body === undefined) continue;
          const { instance, label } = event.body as { instance: string; label: string };
          if (instance === holder.instance) found = { ...holder, label, sinceMs: event.time };
        }
      }
      return found;
    });
  } catch (error) {
    if (signal?.aborted || !isAntsError(error)) throw error;
    return holder;
  }
}

/** The refusal of a second instance: who holds the pen, since when, and what to do. */
export function heldError(did: string, holder: PenHolder): AntsError {
  const { instance, label, sinceMs, seenMs, relay } = holder;
  const who = label === undefined ? `instance ${instance}` : `"${label}" (instance ${instance})`;
  const claimed = sinceMs === undefined ? undefined : isoTime(sinceMs);
  const since = claimed === undefined ? "" : ` since ${claimed}`;
  const seen = seenMs === undefined ? "" : `, seen ${Math.round(seenMs / 1000)} s ago`;
  return new AntsError("held", `the pen of ${did} is held by ${who}${since}${seen} (told by ${relay})`, {
    hint: "stop that instance, or wait until it was silent for 60 s (--wait does), or take over from it with --takeover; if it is not yours: ants rotate --turns",
    details: { did, ...holder },
  });
}
