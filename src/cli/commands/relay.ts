import { readFile } from "node:fs/promises";
import { AntsError } from "../../../keys/errors.js";
import { type LogRecord, resolveRelayConfig, startRelay } from "../../../relay/index.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { printable } from "../text.js";

/** The relay's settings as the command line gave them, by their name in code, and the file with more of them. */
export interface RelayCommandOptions extends Readonly<Record<string, unknown>> {
  readonly config?: string;
}

/** Runs a relay until a signal ends it. The end is what was asked for, so SIGTERM is a success. */
export async function relay(context: CommandContext, options: RelayCommandOptions): Promise<CommandResult> {
  const { out, signal, env } = context;
  const { config: path, ...flags } = options;
  const config = resolveRelayConfig({
    flags,
    env,
    ...(path === undefined ? {} : { file: { path, text: await readConfigFile(path) } }),
  });
  // Log records are for programs: one JSON object a line, on stderr, whatever --json says of the results.
  const log = (record: LogRecord): void => {
    process.stderr.write(`${printable(JSON.stringify(record))}\n`);
  };
  const running = await startRelay(config, { signal, log });
  const { url, stream, position } = running;
  await out.result({ url, stream, position }, [`listening on ${url} (stream ${stream}, position ${position})`]);
  await running.closed;
  const reason: unknown = signal.reason;
  return reason instanceof AntsError && reason.details.by === "SIGTERM" ? EXIT.ok : EXIT.interrupted;
}

async function readConfigFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new AntsError("config-file", `cannot read ${path}: ${(cause as Error).message}`, {
      cause,
      hint: "check the path: --config names a TOML file, docs/relay-config.md has a whole one",
      details: { path },
    });
  }
}
