import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { AgentHome } from "../agent/home.js";
import type { Agent } from "../agent/open-agent.js";
import { openUnlocked } from "../agent/open-home.js";
import type { CommandContext } from "./context.js";

/** A wait that is shorter needs no words. */
const TELL_AFTER_MS = 2_000;

/**
 * Says on stderr what is waited for, once that takes two seconds, unless it was disposed of before. Not with --json:
 * programs know how long they wait. `what` is asked at that moment: what is missing then, and how long at most.
 */
export function tellWaiting({ out }: Pick<CommandContext, "out">, what: () => string): Disposable {
  const timer = out.json ? undefined : setTimeout(() => out.note(`waiting for ${what()}`), TELL_AFTER_MS);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** {@link openUnlocked}, which waits for a quorum, and says so. */
export async function openTelling(
  context: CommandContext,
  unlocked: Parameters<typeof openUnlocked>[0],
  options: Parameters<typeof openUnlocked>[1] & { readonly timeoutMs: number },
): Promise<Agent> {
  const { home } = unlocked;
  const howLong = options.wait === true ? "for as long as it takes" : atMost(options.timeoutMs);
  using _waiting = tellWaiting(context, () => `${quorumText(home)}, ${howLong}`);
  return await openUnlocked(unlocked, options);
}

/** "30 s at most" */
export function atMost(timeoutMs: number): string {
  return `${timeoutMs / 1000} s at most`;
}

function quorumText({ identity }: AgentHome): string {
  if (identity.newest === undefined) return "the relays";
  const { quorum, relays } = relaySetOf(identity.newest);
  const urls = relays.map(({ url }) => url).join(", ");
  return relays.length === 1 ? `the relay ${urls}` : `${quorum} of ${relays.length} relays (${urls})`;
}
