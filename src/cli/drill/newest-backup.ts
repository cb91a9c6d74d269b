import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeDisk } from "../../../keys/node/disk.js";
import { backupConfigPath } from "../../agent/backup/config.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext } from "../context.js";
import type { Company } from "../demo/company.js";
import { vaultPath } from "../places.js";
import type { Check } from "./stage.js";

export interface NewestBackupOptions {
  /** The recovery words, for a cold one. */
  readonly phraseFile?: string;
}

interface Restored {
  readonly archive: string;
  readonly madeMs: number;
  readonly gap: { readonly known: string; readonly events: number };
  /** What was looked at, too, and cannot be restored. */
  readonly damaged?: readonly { readonly archive: string; readonly madeMs: number; readonly why: string }[];
}

const WHAT = "the newest backup of this agent restores, whole and verified";

/**
 * Restores the newest real backup of the agent in this home, where it has a plan for backups, into a folder of its own
 * that only this user can read: every byte is verified, the copy never wakes, and the folder is removed again, whatever
 * happens. Undefined where there is no home or no plan.
 */
export async function checkNewestBackup(
  { env, home: path }: CommandContext,
  company: Company,
  { phraseFile }: NewestBackupOptions,
): Promise<Check | undefined> {
  const layout = homeLayout(path);
  const isPlanned = (await nodeDisk.read(backupConfigPath(layout.state))) !== undefined;
  if (!isPlanned || (await nodeDisk.read(layout.config)) === undefined) return undefined;
  const { config } = await AgentHome.open(nodeDisk, path);
  const folder = await mkdtemp(join(tmpdir(), "ants-drill-backup-"));
  const clearAway = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", clearAway);
  try {
    const to = join(folder, "home");
    const words =
      phraseFile === undefined ? ["--vault", vaultPath(undefined, config.did, env)] : ["--phrase-file", phraseFile];
    const lines: string[] = [];
    const args = ["backup", "restore", "latest", "--home", path, "--to", to, ...words, "--json"];
    const child = company.start(args, (line) => lines.push(line), { env: { ...env, ANTS_ALLOW_EPHEMERAL: "1" } });
    child.endInput();
    const { exit } = await child.ended;
    // Partly done: it is restored, and too few relays answered to know how far it is behind.
    if (exit !== EXIT.ok && exit !== EXIT.partlyDone) return { what: WHAT, ok: false, found: reason(child.errors) };
    const { archive, madeMs, gap, damaged = [] } = JSON.parse(lines.at(-1) ?? "{}") as Restored;
    const broken = damaged.find((one) => one.archive !== archive && one.madeMs > madeMs);
    if (broken !== undefined) return { what: WHAT, ok: false, found: `backup-damaged: ${broken.why}` };
    const sleeps = await readFile(homeLayout(to).dormant).then(
      () => true,
      () => false,
    );
    const behind =
      gap.known === "whole" ? `${gap.events} events behind the relays` : "how far it is behind is not known";
    return { what: WHAT, ok: sleeps, found: `${archive}: ${behind}; ${sleeps ? "it never woke" : "it woke"}` };
  } finally {
    process.off("exit", clearAway);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function reason(errors: string): string {
  const last = errors.trim().split("\n").at(-1) ?? "";
  try {
    const { code, message } = JSON.parse(last) as { code: string; message: string };
    return `${code}: ${message}`;
  } catch {
    return last;
  }
}
