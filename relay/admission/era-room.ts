import type { Branch } from "../../keys/identity/succession.js";

/** Branches of one era that plain updates may open: as many as one settlement names, so that one is enough. */
export const MAX_BRANCHES = 16;
/** What only updates that settle a contest may open beyond: the losers of a settled contest stay branches. */
const BRANCHES_TO_SETTLE = 16;
/** Updates that settle a contest beyond the limit of an era. */
export const UPDATES_TO_SETTLE = 64;

/**
 * Why a relay takes no further update after `parent`; undefined where there is room. Counts all branches of the era, not
 * only the path: whoever has the hot key can open a branch with every update. Whoever stole it may use up what is
 * there; then the owner's rotate, which is never counted, opens an era with room of its own.
 *
 * A matter of this relay only. Readers count on the path, so that what is valid doesn't depend on what else arrived.
 */
export function whyEraFull(parent: Branch, settles: boolean, maxUpdates: number): string | undefined {
  const { era } = parent;
  const updates = maxUpdates + (settles ? UPDATES_TO_SETTLE : 0);
  if (era.updates.length >= updates) return `this relay takes ${maxUpdates} updates between two rotates`;
  const branches = MAX_BRANCHES + (settles ? BRANCHES_TO_SETTLE : 0);
  return !era.leaves.has(parent) && era.leaves.size >= branches
    ? `this relay takes ${MAX_BRANCHES} branches of updates between two rotates: settle them, or rotate`
    : undefined;
}
