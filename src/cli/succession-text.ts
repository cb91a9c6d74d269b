import type { RotationPlan, Turn } from "../agent/succession.js";
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
