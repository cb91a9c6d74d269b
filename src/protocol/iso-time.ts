/** 9999-12-31T23:59:59.999Z: the last moment that is written with four digits of a year. */
const LAST_MS = 253_402_300_799_999;

/**
 * A moment in milliseconds since 1970 as ISO 8601. Undefined for what is no such moment: the grammar allows an author
 * any time up to 2^53 - 1, and a Date beyond 8.64e15 throws as soon as it is written.
 */
export function isoTime(timeMs: number): string | undefined {
  return timeMs >= 0 && timeMs <= LAST_MS ? new Date(timeMs).toISOString() : undefined;
}
