import type { AgentHome } from "../agent/home.js";
import type { Departure } from "../agent/moved.js";
import { type DisplacementOptions, displacementOf } from "./displacement.js";

/**
 * Whether an agent that left this home has been at work where it went: this home was shown so before, or relays show it
 * now. After a hand-over a later turn is nobody else's. False where too few relays answer to know. Throws what reading the
 * home throws, and the signal's reason.
 */
export async function hasArrived(
  home: AgentHome,
  departure: Departure,
  options: DisplacementOptions,
): Promise<boolean> {
  if (departure.arrived !== undefined) return true;
  return departure.state === "gone" && (await displacementOf(home, options))?.head !== undefined;
}
