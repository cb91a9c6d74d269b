import { AntsError, isAntsError } from "../../keys/errors.js";
import type { OpenedArchive } from "../agent/backup/read-archive.js";
import type { Output } from "./output.js";
import { lengthText } from "./when.js";

/** An archive that was to be restored, and is not what its maker wrote. */
export interface DamagedArchive {
  readonly name: string;
  /** When it was made, as its name says; milliseconds since 1970. */
  readonly timeMs: number;
  /** "backup-damaged", with the archive's name. */
  readonly error: AntsError;
}

const MAX_TOLD = 3;

/** What reading an archive threw, with its name and place where it is damaged: "this archive" is no help among many. */
export function namedDamage(error: unknown, name: string, from: string): unknown {
  if (!isAntsError(error, "backup-damaged") || error.details.archive !== undefined) return error;
  const label = from.endsWith(name) ? from : `${name} at ${from}`;
  return new AntsError(error.code, error.message.replace(/^this archive/, label), {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { ...error.details, archive: name, from },
    cause: error,
  });
}

/** Says what was passed over, and by how much older is what is taken instead. */
export function tellDamaged(
  out: Pick<Output, "warn">,
  damaged: readonly DamagedArchive[],
  taken: { readonly name: string; readonly timeMs: number } | undefined,
): void {
  for (const { name, timeMs, error } of damaged.slice(0, MAX_TOLD)) {
    const instead =
      taken === undefined || taken.name === name ? "" : `; ${taken.name}, ${agesText(taken.timeMs, timeMs)}, is taken`;
    out.warn(`passed over: ${error.message}${instead}`);
  }
  if (damaged.length > MAX_TOLD) out.warn(`passed over: ${damaged.length - MAX_TOLD} more that are damaged`);
}

/** Where nothing else is left to take. `damaged`: at least one. */
export function noneWhole(damaged: readonly DamagedArchive[]): AntsError {
  const [first] = damaged;
  const names = [...new Set(damaged.map(({ name }) => name))];
  if (names.length === 1) return first!.error;
  const told = damaged.slice(0, MAX_TOLD).map(({ error }) => error.message);
  const more = damaged.length > MAX_TOLD ? `; and ${damaged.length - MAX_TOLD} more` : "";
  return new AntsError("backup-damaged", `none is whole: ${told.join("; ")}${more}`, {
    hint: "look for another copy: ants backup list --target ADDRESS; then find out what happened to this storage",
    details: { archives: names },
    cause: first!.error,
  });
}

/** For programs. */
export function damagedJson(damaged: readonly DamagedArchive[]) {
  return damaged.map(({ name, timeMs, error }) => ({ archive: name, madeMs: timeMs, why: error.message }));
}

/** What is taken in place of one that turned out to be damaged while it was unpacked. */
export function insteadText(
  { name, timeMs }: DamagedArchive,
  taken: { readonly name: string; readonly from: string; readonly archive: OpenedArchive },
): string {
  if (taken.name === name) return `its copy at ${taken.from} is taken`;
  return `${taken.name}, ${agesText(taken.archive.manifest.timeMs, timeMs)}, is taken`;
}

function agesText(takenMs: number, damagedMs: number): string {
  return takenMs > damagedMs ? "which is younger" : `made ${lengthText(damagedMs - takenMs)} before it`;
}
