import { fromUtf8, hex, utf8 } from "../../keys/bytes.js";
import type { Disk, Random } from "../../keys/ports.js";
import { HEX16, isText } from "../protocol/grammar.js";

/** Names of earlier runs that are worth remembering: a relay minds a silent holder for a minute only. */
const MAX_REMEMBERED = 64;

/** The instances of a home's runs on one host since its last boot. */
export interface Instances {
  /** Drawn at random for this run. */
  readonly own: string;
  /** Earlier runs of this very home here: none of them can still be alive while the home's lock is held. */
  readonly earlier: ReadonlySet<string>;
}

/**
 * Draws this run's instance and notes it for the next one, which may then say whom it follows. Call with the home's
 * lock held. Notes of another boot or folder are passed over: this home may be a copy whose original runs elsewhere.
 *
 * @param given the instance that a hand-over names, which was drawn for this one start
 * @param bootId what tells this boot of this host, and this folder on it, from all others; without it nothing earlier counts
 */
export async function drawInstance(
  disk: Disk,
  path: string,
  random: Random,
  bootId: string | undefined,
  given?: string,
): Promise<Instances> {
  const own = given ?? hex(random.bytes(8));
  if (bootId === undefined) return { own, earlier: new Set() };
  const notes = readNotes(await disk.read(path)).filter(({ boot }) => boot === bootId);
  const kept = [...notes.slice(1 - MAX_REMEMBERED), { boot: bootId, instance: own }];
  await disk.replace(path, utf8(kept.map((note) => `${JSON.stringify(note)}\n`).join("")));
  return { own, earlier: new Set(notes.map(({ instance }) => instance)) };
}

/** The instances of a home's runs that are noted in it, of any boot. */
export async function notedInstances(disk: Disk, path: string): Promise<ReadonlySet<string>> {
  return new Set(readNotes(await disk.read(path)).map(({ instance }) => instance));
}

interface Note {
  readonly boot: string;
  readonly instance: string;
}

/** A line that says nothing sensible is passed over: notes only spare a wait. */
function readNotes(bytes: Uint8Array | undefined): Note[] {
  if (bytes === undefined) return [];
  return fromUtf8(bytes)
    .split("\n")
    .flatMap((line) => {
      try {
        const { boot, instance } = JSON.parse(line) as Partial<Note>;
        return typeof boot === "string" && isText(instance, HEX16) ? [{ boot, instance }] : [];
      } catch {
        return [];
      }
    });
}
