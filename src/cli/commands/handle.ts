import { AntsError } from "../../../keys/errors.js";
import { isHandle } from "../../../keys/identity/handle.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import type { IdentityLog } from "../../client/identity-log.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type HandleTarget, isAnswered, isGivenByRelay, waysToPublish } from "../handle-way.js";
import { type ChangeOptions, makeChange } from "../identity-change.js";
import { resolverOf } from "../resolving.js";
import { usageError } from "../usage.js";

export interface HandleChangeOptions extends ChangeOptions {
  readonly handle: readonly string[];
}

/** The handles that the identity names. Needs no key and no network. */
export async function handleList({ out, home }: CommandContext): Promise<CommandResult> {
  const agent = await AgentHome.open(nodeDisk, home);
  const handles = agent.identity.newest?.op.handles ?? [];
  const proposed = await agent.proposed();
  await out.result(
    { did: agent.config.did, handles, ...(proposed === undefined ? {} : { proposed: proposed.op.handles }) },
    [
      ...(handles.length === 0 ? ["no handles"] : handles),
      ...(proposed === undefined
        ? []
        : [`proposed, and not yet answered by its relay: ${proposed.op.handles.join(" ")}`]),
    ],
  );
  return undefined;
}

/**
 * Adds handles: whoever has one of them already is found out before anything is signed, as far as its host says. Of a
 * handle that neither a relay of the agent gives nor its host answers for, it says afterwards what to publish where.
 */
export async function handleAdd(context: CommandContext, options: HandleChangeOptions): Promise<CommandResult> {
  const added = handlesOf(options.handle, "handle add");
  const { config, identity } = await AgentHome.open(nodeDisk, context.home);
  const resolver = await resolverOf(context, {}, "handle add");
  const target = targetOf(config.did, identity);
  const unanswered: string[] = [];
  for (const handle of added) {
    if (identity.newest?.op.handles.includes(handle)) continue;
    const result = await resolver.resolve(handle, { signal: context.signal, fresh: true });
    const others = "did" in result ? [result.did] : result.status === "mismatch" ? result.dids : [];
    // A handle whose host names this agent already and that its identity does not name back yet is what is to be done.
    if (others.some((did) => did !== config.did)) {
      throw new AntsError("handle-elsewhere", `${handle} leads to ${others.join(" and ")}`, {
        details: { handle, dids: others },
      });
    }
    if (!isGivenByRelay(handle, target) && !isAnswered(result.asked, target)) unanswered.push(handle);
  }
  const code = await makeChange(context, options, ({ op }) => ({
    handles: [...op.handles, ...added.filter((handle) => !op.handles.includes(handle))],
  }));
  for (const handle of unanswered) {
    context.out.warn(
      `${handle} is at none of this agent's relays, and nothing there leads to the agent yet: nobody finds it by that name`,
    );
    for (const [i, way] of waysToPublish(handle, target).entries()) {
      context.out.note(`${i === 0 ? "publish" : "or     "} ${way}`);
    }
  }
  if (unanswered.length > 0) context.out.note("then look at it with: ants handle verify");
  return code;
}

export function handleRemove(context: CommandContext, options: HandleChangeOptions): Promise<CommandResult> {
  const removed = handlesOf(options.handle, "handle remove");
  return makeChange(
    context,
    options,
    ({ op }) => ({ handles: op.handles.filter((handle) => !removed.includes(handle)) }),
    { takesBack: ({ handles }) => handles.some((handle) => removed.includes(handle)) },
  );
}

/** Whether each handle leads to this agent and is named back by it. Exit code 3 where one does not. */
export async function handleVerify(context: CommandContext): Promise<CommandResult> {
  const { out, signal } = context;
  const { config, identity } = await AgentHome.open(nodeDisk, context.home);
  const resolver = await resolverOf(context, {}, "handle verify");
  const target = targetOf(config.did, identity);
  const found: { handle: string; status: string; ok: boolean; why?: string; way?: string }[] = [];
  for (const handle of identity.newest?.op.handles ?? []) {
    const result = await resolver.resolve(handle, { signal, fresh: true });
    const ok = result.status === "verified" && result.did === config.did;
    const why = "why" in result ? { why: result.why } : {};
    found.push({ handle, status: result.status, ok, ...why, ...(ok ? {} : { way: wayOut(handle, target) }) });
  }
  await out.result({ did: config.did, handles: found }, [
    ...found.map(({ handle, status, why, way }) =>
      [`${handle}  ${status}`, ...[why, way].filter((text) => text !== undefined)].join(": "),
    ),
    ...(found.length === 0 ? ["the identity names no handle"] : []),
  ]);
  return found.every(({ ok }) => ok) ? undefined : EXIT.partlyDone;
}

function wayOut(handle: string, target: HandleTarget): string {
  if (isGivenByRelay(handle, target)) return "the relay that gives it has to be reached under that name";
  return `publish ${waysToPublish(handle, target).join(", or ")}`;
}

function targetOf(did: string, { newest }: IdentityLog): HandleTarget {
  return { did, relays: newest?.op.relays.map(({ url }) => url) ?? [] };
}

function handlesOf(texts: readonly string[], command: string): string[] {
  const handles = texts.map((text) => text.replace(/^@/, ""));
  const wrong = handles.find((handle) => !isHandle(handle));
  if (wrong !== undefined) throw usageError(`${wrong}: expected name@host or name.example.com, in lower case`, command);
  return [...new Set(handles)];
}
