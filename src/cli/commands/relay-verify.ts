import { resolve } from "node:path";
import { nodeDisk } from "../../../keys/node/disk.js";
import { nodeLogFiles } from "../../../relay/log/log-files.js";
import { verifyFolder } from "../../../relay/verify-folder.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";

/** Checks a relay's data folder, entry by entry. Every problem is a line of the result, and any of them an exit code 1. */
export async function relayVerify(context: CommandContext, folder: string): Promise<CommandResult> {
  const { out, signal } = context;
  const progress = out.progress("checked up to position");
  const report = await verifyFolder(resolve(folder), {
    disk: nodeDisk,
    files: nodeLogFiles,
    signal,
    onProgress: (position) => progress.at(position),
  }).finally(() => progress.end());
  if (report.running) out.warn("a relay is using this folder: only what its last signed head covers was checked");
  const { problems, entries, stream, signed, index } = report;
  const checked =
    "checked" in index
      ? `, ${index.checked} found in the index`
      : `; the index is rebuilt at the next start (${index.rebuild})`;
  await out.result({ ok: problems.length === 0, ...report }, [
    ...problems.map(({ position, code, message }) => `position ${position}: ${code}: ${message}`),
    `${entries} entries of stream ${stream}${checked}`,
    problems.length > 0
      ? `${problems.length} problems`
      : `log and tree agree${signed === undefined ? "; no head was signed yet" : `, and with the signed head at ${signed}`}`,
  ]);
  return problems.length === 0 ? undefined : EXIT.failed;
}
