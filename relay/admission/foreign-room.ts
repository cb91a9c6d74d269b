import { MAX_EPOCH_LEAP } from "../../src/protocol/limits.js";
import type { VerifiedEvent } from "../verified-frame.js";

/**
 * Events of one agent that wait for its chain. When the chain comes they join it in one go, while nobody else is served
 * (some 20 ms); a correspondent who writes more than that to agents here sends its chain along and is hosted.
 */
export const MAX_FOREIGN_EVENTS = 1_024;
/** What a row of the index holds for an epoch or a seq: 6 bytes. No chain gets there in 200 years. */
const MAX_FOREIGN_NUMBER = 2 ** 48 - 1;

/** A claim leaps at most so far, and there are at most seq + 1 claims: such an event never finds its place in a chain. */
export function isOutOfReach({ epoch, seq }: VerifiedEvent): boolean {
  return seq > MAX_FOREIGN_NUMBER || epoch > Math.min(MAX_FOREIGN_NUMBER, (seq + 1) * MAX_EPOCH_LEAP);
}
