import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { RotationPlan, Turn } from "../agent/succession.js";
import type { RelayReport } from "../client/survey.js";
import { isoTime } from "../protocol/iso-time.js";

/** A line for every turn of holding the pen, for choosing an anchor. */
export function turnLines(turns: readonly Turn[]): string[] {
  return turns.map(({ epoch, instance, label, timeMs, first, last, onChain }) => {
    const seqs = first.seq === last.seq ? `seq ${first.seq}` : `seq ${first.seq} to ${last.seq}`;
    const beside = onChain ? "" : "  (not on the chain)";
    return `epoch ${epoch}  ${seqs}  last ${last.id.slice(0, 16)}  ${isoTime(timeMs)}  ${instance} ${label}${beside}`;
  });
}

/** What a rotate will do, for people. */
export function planLines({ parent, anchor, droppedEvents, droppedOperations }: RotationPlan): string[] {
  const kept =
    anchor === undefined
      ? "there is no event yet"
      : `kept: everything up to seq ${anchor.seq}, epoch ${anchor.epoch}, ${anchor.id}`;
  const events = droppedEvents === 1 ? "1 event after it becomes" : `${droppedEvents} events after it become`;
  const changes = droppedOperations.length === 1 ? "1 identity change" : `${droppedOperations.length} identity changes`;
  return [
    kept,
    ...(droppedEvents > 0 ? [`${events} void for every reader`] : []),
    ...(droppedOperations.length > 0
      ? [`${changes} after operation ${parent.op.n} lose: relays and handles are again what they were there`]
      : []),
  ];
}

/**
 * What may be missing, a line each; nothing where a quorum answered of the relays under which the chain was written last,
 * since every acknowledged event is on a quorum of them. What a thief named since does not count.
 */
export function missingLines({ parent }: RotationPlan, reports: readonly RelayReport[]): string[] {
  const { relays, quorum } = relaySetOf(parent);
  const answered = relays.filter(({ url, stream }) =>
    reports.some((report) => report.state === "read" && report.url === url && report.stream === stream),
  );
  if (answered.length >= quorum) return [];
  const silent = relays.filter((relay) => !answered.includes(relay)).map(({ url }) => url);
  return [
    `only ${answered.length} of ${relays.length} relays answer: what only the others have is lost with this`,
    ...silent.map((url) => `  does not answer: ${url}`),
  ];
}
