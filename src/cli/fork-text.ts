import { fromUtf8 } from "../../keys/bytes.js";
import type { KnownFork } from "../client/forks.js";
import type { ForkProof } from "../protocol/fork.js";
import { isoTime } from "../protocol/iso-time.js";

/** A fork for programs: what anyone verifies is in `lines`. */
export function forkJson({ did, epoch, seq, key, events }: ForkProof) {
  return {
    did,
    epoch,
    seq,
    key,
    ids: events.map(({ id }) => id),
    lines: events.map(({ line }) => fromUtf8(line)),
  };
}

/** A fork in a line for people. */
export function forkText({ did, epoch, seq, events: [a, b] }: ForkProof): string {
  return `${did}: two events stand at epoch ${epoch}, seq ${seq}, signed by one key: ${a.id} and ${b.id}`;
}

/** A fork with both its events, for people. */
export function forkLines({ proof: { epoch, seq, key, events }, relays, isHealed }: KnownFork): string[] {
  return [
    `  epoch ${epoch}, seq ${seq}, key ${key}`,
    ...events.map(({ id, event: { kind, time } }) => `    ${id}  ${kind}  ${isoTime(time) ?? time}`),
    `    proven by ${relays.join(", ")}`,
    isHealed
      ? "    joined by the agent"
      : "    not joined: its owner runs ants heal, or ants rotate where a key was stolen",
  ];
}
