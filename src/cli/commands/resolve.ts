import type { ResolvedAgent } from "../../client/resolved-agent.js";
import { didDocument } from "../../protocol/did-document.js";
import { EXIT, type ExitCode } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { resolutionJson, resolutionText } from "../resolution-text.js";
import { type ResolvingOptions, resolverOf } from "../resolving.js";

export interface ResolveOptions extends ResolvingOptions {
  readonly name: string;
  readonly document?: boolean;
  readonly fresh?: boolean;
}

/** What a script can go on with, and what it has to look at. */
const EXIT_OF: Readonly<Record<ResolvedAgent["status"], ExitCode>> = {
  verified: EXIT.ok,
  mismatch: EXIT.failed,
  "not-found": EXIT.failed,
  deactivated: EXIT.failed,
  stale: EXIT.partlyDone,
  contested: EXIT.refusedForSafety,
  conflicted: EXIT.refusedForSafety,
  unreachable: EXIT.unreachable,
};

/** Who a name is. Needs no key and no home. */
export async function resolve(context: CommandContext, options: ResolveOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const resolver = await resolverOf(context, options);
  const result = await resolver.resolve(options.name, { signal, fresh: options.fresh === true });
  const exit = EXIT_OF[result.status];
  if (options.document === true) await printDocument(context, result);
  else await out.result(resolutionJson(result), resolutionText(result));
  return exit === EXIT.ok ? undefined : exit;
}

/** The document of the state that is known; of an agent that has none, only what became of it, on stderr. */
async function printDocument({ out }: CommandContext, result: ResolvedAgent): Promise<void> {
  if (result.status !== "verified") {
    out.warn(`${result.name} is ${result.status}${"why" in result ? `: ${result.why}` : ""}`);
  }
  if (!("state" in result) || result.status === "deactivated") return;
  const document = didDocument(result.state);
  if (out.json) await out.value(document);
  else for (const line of JSON.stringify(document, undefined, 2).split("\n")) await out.line(line);
}
