/** The types of entries, in the order of the documentation. */
export const ENTRY_TYPES = ["identity", "promise", "event"] as const;

/** The `type` of a line that a relay log holds. */
export type EntryType = (typeof ENTRY_TYPES)[number];
