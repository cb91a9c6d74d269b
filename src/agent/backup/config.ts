import { parse as parseToml, TomlError } from "smol-toml";
import { z } from "zod";
import { fromUtf8 } from "../../../keys/bytes.js";
import { AntsError } from "../../../keys/errors.js";
import type { Disk } from "../../../keys/ports.js";
import { BACKUP_TIERS, type BackupTier } from "./archive-name.js";
import { type Schedule, shiftOf } from "./schedule.js";
import { spanMs } from "./span.js";

/** A span such as "2d", read as milliseconds. */
const span = z
  .string()
  .refine((text) => spanMs(text) !== undefined, "expected a span such as 90s, 30m, 12h, 2d or 4w")
  .transform((text) => spanMs(text)!);
const count = z.int().min(0).max(10_000);

const keepSchema = z
  .strictObject({
    within: span.optional(),
    hourly: count.optional(),
    daily: count.optional(),
    weekly: count.optional(),
    monthly: count.optional(),
  })
  .readonly();

/** Which archives stay: the rules of one tier, each of which keeps what it keeps whatever the others say. */
export type KeepPolicy = z.output<typeof keepSchema>;

/** Two days whole, then fewer and fewer: about 50 hot archives, and a cold one a month for two years. */
const DEFAULT_KEEP = {
  hot: { within: "2d", daily: 14, weekly: 8 },
  cold: { weekly: 8, monthly: 24 },
} as const;

/** How often a job runs; "off" for never. At least a minute: a plan is no loop. */
const every = z
  .string()
  .refine((text) => text === "off" || (spanMs(text) ?? 0) >= 60_000, 'expected "off" or a span of 1m or more: 1h, 1d')
  .transform((text) => (text === "off" ? undefined : spanMs(text)!));

/** The home's `.ants/backup.toml`: where backups go and which stay. */
const backupConfigSchema = z.strictObject({
  target: z
    .array(
      z.strictObject({
        url: z.string().min(1).max(4096),
        tier: z
          .array(z.enum(BACKUP_TIERS as ["hot", "cold"]))
          .min(1)
          .default(["hot", "cold"]),
      }),
    )
    .default([]),
  keep: z
    .strictObject({
      hot: keepSchema.prefault(DEFAULT_KEEP.hot),
      cold: keepSchema.prefault(DEFAULT_KEEP.cold),
    })
    .prefault({}),
  /** What is done by the clock (docs/backup-schedule.md). */
  schedule: z
    .strictObject({
      hot: every.prefault("1h"),
      cold: every.prefault("1w"),
      verify: every.prefault("1d"),
      rehearse: every.prefault("1w"),
      /** This home's turns are later than the clock's by its own share of this. */
      spread: span.prefault("5m"),
      /** Whether archives are made though the agent went on in another instance. */
      displaced: z.enum(["refuse", "make"]).default("refuse"),
    })
    .prefault({}),
});

export type BackupConfig = z.output<typeof backupConfigSchema>;

/** The plan's schedule for an agent. A tier that no target takes is not made; without targets nothing is due. */
export function scheduleOf({ target, schedule }: BackupConfig, did: string): Schedule {
  const has = (tier: BackupTier) => target.some(({ tier: tiers }) => tiers.includes(tier));
  const { hot, cold, verify, rehearse, spread } = schedule;
  return {
    everyMs: {
      ...(hot === undefined || !has("hot") ? {} : { hot }),
      ...(cold === undefined || !has("cold") ? {} : { cold }),
      ...(verify === undefined || target.length === 0 ? {} : { verify }),
      // Cold ones open with the words only, and nobody types them by the clock.
      ...(rehearse === undefined || !has("hot") ? {} : { rehearse }),
    },
    shiftMs: shiftOf(did, spread),
  };
}

/** Where a home's plan for backups is. `state`: its `.ants`. */
export function backupConfigPath(state: string): string {
  return `${state}/backup.toml`;
}

/** The plan of a home; without a file, no targets and the default rules. Throws "backup-config", disk errors. */
export async function readBackupConfig(disk: Disk, state: string): Promise<BackupConfig> {
  const path = backupConfigPath(state);
  const bytes = await disk.read(path);
  return bytes === undefined ? parseBackupConfig("", path) : parseBackupConfig(textOf(bytes, path), path);
}

/** Throws AntsError "backup-config" with the field that cannot be used. `path` is for the message. */
export function parseBackupConfig(text: string, path: string): BackupConfig {
  let values: unknown;
  try {
    values = parseToml(text);
  } catch (cause) {
    throw refused(path, tomlFault(cause), cause);
  }
  const result = backupConfigSchema.safeParse(values);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw refused(path, `${issue.path.join(".") || "the file"}: ${issue.message}`);
}

/** What is wrong with the text, and where: counted from 1. */
function tomlFault(cause: unknown): string {
  const [what] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
  return cause instanceof TomlError ? `line ${cause.line}, column ${cause.column}: ${what}` : what!;
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw refused(path, "it is not UTF-8", cause);
  }
}

function refused(path: string, why: string, cause?: unknown): AntsError {
  return new AntsError("backup-config", `${path}: ${why}`, {
    hint: "docs/backups.md has a sample with [[target]] and [keep], docs/backup-schedule.md one of [schedule]",
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
