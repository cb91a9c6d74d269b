import { utf8 } from "../../../keys/bytes.js";
import type { Disk } from "../../../keys/ports.js";
import { BACKUP_JOBS, type BackupJob, type RunRecord } from "./schedule.js";

/** So many lines stay when the file is cut: some six weeks of hourly runs. */
const MAX_RECORDS = 1_000;
const MAX_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** What became of the schedule's runs, `.ants/backup-runs.ndjson`: one line each, oldest first. */
export class RunRecords {
  readonly #disk: Disk;
  readonly #path: string;

  /** `state`: the home's `.ants`. */
  constructor(disk: Disk, state: string) {
    this.#disk = disk;
    this.#path = `${state}/backup-runs.ndjson`;
  }

  /** A line that says nothing sensible is passed over: a crash may have torn it. Throws disk errors. */
  async all(): Promise<RunRecord[]> {
    const bytes = await this.#disk.read(this.#path);
    if (bytes === undefined) return [];
    return new TextDecoder().decode(bytes).split("\n").flatMap(parseRecord);
  }

  /** Durable when it resolves. Throws disk errors. */
  async note(record: RunRecord): Promise<void> {
    // A torn last line must not run into this one.
    const before = await this.#disk.read(this.#path);
    const isTorn = before !== undefined && before.length > 0 && before.at(-1) !== NEWLINE;
    await this.#disk.append(this.#path, utf8(`${isTorn ? "\n" : ""}${JSON.stringify(record)}\n`));
  }

  /** Cuts a file that has grown to its newest lines. Call with the schedule's lock held. Throws disk errors. */
  async trim(): Promise<void> {
    const bytes = await this.#disk.read(this.#path);
    if (bytes === undefined || bytes.length <= MAX_BYTES) return;
    const kept = (await this.all()).slice(-MAX_RECORDS);
    await this.#disk.replace(this.#path, utf8(kept.map((record) => `${JSON.stringify(record)}\n`).join("")));
  }
}

function parseRecord(line: string): RunRecord[] {
  if (line === "") return [];
  try {
    const record = JSON.parse(line) as Partial<RunRecord> | null;
    const { job, startedMs, endedMs, outcome } = record ?? {};
    const isRecord =
      BACKUP_JOBS.includes(job as BackupJob) &&
      Number.isSafeInteger(startedMs) &&
      Number.isSafeInteger(endedMs) &&
      (outcome === "ok" || outcome === "failed");
    return isRecord ? [record as RunRecord] : [];
  } catch {
    return [];
  }
}
