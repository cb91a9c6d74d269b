import type { Gap } from "../agent/gap.js";

/** A gap for programs. */
export function gapJson(gap: Gap): object {
  const { unknownSteps, ...rest } = gap;
  const steps = unknownSteps?.map(({ key, name, attempts, parked, intent }) => ({
    key,
    name,
    attempts,
    parked,
    seq: intent.seq,
    timeMs: intent.timeMs,
  }));
  return { ...rest, ...(steps === undefined ? {} : { unknownSteps: steps }) };
}
