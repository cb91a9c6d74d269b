import type { UpdateChanges } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { systemClock } from "../../keys/ports.js";
import { type ChangedIdentity, type ChangeIdentityOptions, changeIdentity } from "../agent/change-identity.js";
import type { Agent } from "../agent/open-agent.js";
import { penLost } from "../client/pen-loss.js";
import { EXIT } from "../protocol/errors.js";
import { agentAtWork } from "./agent-at-work.js";
import type { CommandContext, CommandResult } from "./context.js";
import { askRelay } from "./relay-info.js";

export interface ChangeOptions {
  /** Seconds, for the pen, for each step, and then for new relays to have the chain. */
  readonly timeout: number;
  /** false: don't wait until new relays have the whole chain. */
  readonly wait?: boolean;
  readonly takeover?: true;
  readonly vault?: string;
}

const LOOK_AGAIN_MS = 50;
/** Three survive the loss of one with a quorum left. */
const ADVISED_RELAYS = 3;

/**
 * Makes one identity update and says what came of it: the operation, the relays by now, and how far new ones are. Exit
 * code 3 where a new relay lacks a part of the chain when the time is over: that goes out with the next run.
 */
export async function makeChange(
  context: CommandContext,
  options: ChangeOptions,
  changes: (parent: ParsedOperation) => UpdateChanges,
  more: Pick<ChangeIdentityOptions, "settle" | "takesBack"> & { readonly remarks?: readonly string[] } = {},
): Promise<CommandResult> {
  const { out, signal } = context;
  const timeoutMs = options.timeout * 1000;
  const { wait: _, ...unlocking } = options;
  return agentAtWork(context, { ...unlocking, timeoutMs }, async (agent) => {
    const changed = await changeIdentity(agent, changes, {
      timeoutMs,
      signal,
      settle: more.settle === true,
      ...(more.takesBack === undefined ? {} : { takesBack: more.takesBack }),
    });
    const lacking = await backfill(context, agent, changed, options);
    const { operation } = changed;
    const { relays, quorum } = relaySetOf(operation);
    const { faults, handles } = operation.op;
    const isNew = operation !== changed.parent;
    if (isNew && relays.length < ADVISED_RELAYS) {
      out.warn(
        `with ${relays.length === 1 ? "one relay" : `${relays.length} relays`} the agent stops when one of them does: ` +
          `name ${ADVISED_RELAYS} or more, run by different people`,
      );
    }
    await out.result(
      {
        did: agent.did,
        operation: operation.hash,
        n: operation.op.n,
        changed: isNew,
        relays,
        faults,
        quorum,
        handles,
        added: changed.added.map((relay) => ({ ...relay, lacks: lacking.get(relay.url) ?? 0 })),
        removed: changed.removed,
      },
      [
        isNew ? `update ${operation.op.n} (${operation.hash})` : "nothing to change",
        ...relays.map(({ url }) => `  relay   ${url}${progressText(lacking.get(url))}`),
        ...handles.map((handle) => `  handle  ${handle}`),
        ...(more.remarks ?? []),
      ],
    );
    const open = [...lacking.values()].some((behind) => behind > 0);
    if (open) out.warn("what a relay lacks goes out with the next run of any command that publishes");
    return open && options.wait !== false ? EXIT.partlyDone : undefined;
  });
}

function progressText(lacks: number | undefined): string {
  if (lacks === undefined) return "";
  return lacks === 0 ? "  has the whole chain" : `  lacks ${lacks} events`;
}

/** Waits until every new relay has the whole chain, or the time is over; returns what each lacks then. */
async function backfill(
  { out, signal }: CommandContext,
  agent: Agent,
  { added }: ChangedIdentity,
  { timeout, wait }: ChangeOptions,
): Promise<Map<string, number>> {
  const isNew = new Set(added.map(({ url }) => url));
  const lacking = () =>
    new Map(agent.publisher.relays().flatMap(({ url, behind }) => (isNew.has(url) ? [[url, behind] as const] : [])));
  const left = () => [...lacking().values()].reduce((sum, behind) => sum + behind, 0);
  const progress = out.progress("events that new relays lack");
  const untilMs = systemClock.monotonicMs() + timeout * 1000;
  while (wait !== false && left() > 0 && !signal.aborted && systemClock.monotonicMs() < untilMs) {
    // The update is made; that relays are away for a moment is no reason to end.
    if (agent.pen.loss !== undefined) throw penLost(agent.pen.loss);
    progress.at(left());
    await systemClock.sleep(LOOK_AGAIN_MS, signal).catch(() => {});
  }
  progress.end();
  return lacking();
}

/** A relay as it is now. Throws "relay-unreachable", "not-a-relay". */
export async function addressOf(url: string, { signal }: CommandContext): Promise<RelayAddress> {
  const { stream } = await askRelay(url, { signal });
  return { url, stream };
}
