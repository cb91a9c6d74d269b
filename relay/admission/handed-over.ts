import type { VerifiedPromise } from "../verified-frame.js";
import type { AgentState } from "./agent-state.js";

/** What becomes of a promise that names a hand-over. */
export type HandoverStanding =
  /** The hand-over is the end of the chain and names whoever asks: the holder said itself that it gives way. */
  | "valid"
  /** It is known here, and the chain went on past it, or another way: a hand-over is used once. */
  | "used"
  /** None is named, it is not known here, or it names somebody else: the holder is treated as any other. */
  | "none";

/** How the hand-over that a promise names stands at this relay. */
export function handoverStanding(
  { head, details }: Pick<AgentState, "head" | "details">,
  { handover, instance }: Pick<VerifiedPromise, "handover" | "instance">,
): HandoverStanding {
  const known = handover === undefined ? undefined : details.handovers?.find(({ id }) => id === handover);
  if (known === undefined) return "none";
  if (head?.id !== known.id) return "used";
  return known.successor === instance ? "valid" : "none";
}
