import { canonicalize } from "../../keys/canonical.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { type UpdateChanges, updateIdentity } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { quorumSize, type RelaySet, relaySetOf } from "../../keys/identity/relay-set.js";
import type { IdentityContent, RelayAddress } from "../../keys/identity/shape.js";
import { type SpreadOptions, spreadIdentity } from "../client/identity-spread.js";
import { relayKey } from "../client/quorum.js";
import type { Agent } from "./open-agent.js";
import { askRegistrars, registrarsOf, settleProposed, type WaitingUpdate } from "./proposed-update.js";

export interface ChangeIdentityOptions {
  /** Goes on with the branch that this home has pinned, where updates clash, and settles the others. */
  readonly settle?: boolean;
  /**
   * Whether what is wanted takes back an update that waits for the word of a relay whose handle it takes: where that
   * relay does not answer, it is replaced by an update that beats it, should the relay have it after all.
   */
  readonly takesBack?: (waiting: WaitingUpdate) => boolean;
  /** How long relays may take in each step. Default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ChangedIdentity {
  readonly parent: ParsedOperation;
  /** The operation that speaks for the identity now; the parent itself where there was nothing to change. */
  readonly operation: ParsedOperation;
  /** Relays, each as one incarnation, that only the new set names. */
  readonly added: readonly RelayAddress[];
  /** Relays that only the old set named. */
  readonly removed: readonly RelayAddress[];
}

const STEP_TIMEOUT_MS = 30_000;
/** As many losing heads as one update names (protocol.md). */
const MAX_OVER = 16;

/** The last change of each agent: the next one begins when it is over, however it ended. */
const lastChanges = new WeakMap<Agent, Promise<unknown>>();

/**
 * Changes what the agent's identity says (relays, faults, handles, services, agree), as the holder of the pen: the only
 * one who may (protocol.md, "The pen"). What can fail is found out before anything is signed: every relay that is new,
 * and a quorum of the old and of the new set, must store the identity log as it is now.
 *
 * Then: signed; durable in the home; sent to the relays until a quorum of both sets has it; the pen given up and claimed
 * anew, which needs a quorum of both sets again. A crash after the second step leaves an update that the next start
 * sends with its promises. New relays get the chain from then on; `publisher.relays()` tells how far they are.
 *
 * Calls for one agent follow one another: two updates after one operation would be rivals.
 *
 * Throws, with nothing signed: `pen-lost`, `identity-contested`, `identity-conflicted`, `relays-too-few`, `identity-grammar`,
 * `identity-unspread`, `update-undecided`, `handle-taken` and whatever else a relay says whose handle is taken. With the update signed and
 * kept: `update-unfinished`, and what `Agent.changePen` throws.
 */
export function changeIdentity(
  agent: Agent,
  wanted: UpdateChanges | ((parent: ParsedOperation) => UpdateChanges),
  options: ChangeIdentityOptions = {},
): Promise<ChangedIdentity> {
  const change = (lastChanges.get(agent) ?? Promise.resolve()).then(() => changeNow(agent, wanted, options));
  lastChanges.set(
    agent,
    change.catch(() => undefined),
  );
  return change;
}

async function changeNow(
  agent: Agent,
  changes: UpdateChanges | ((parent: ParsedOperation) => UpdateChanges),
  { settle = false, takesBack = () => false, timeoutMs = STEP_TIMEOUT_MS, signal }: ChangeIdentityOptions,
): Promise<ChangedIdentity> {
  signal?.throwIfAborted();
  const spread = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
  const { context, home } = agent;
  const { identity, ports, seed } = context;
  agent.pen.check();
  const earlier = await settleProposed(agent, spread, takesBack);
  if (earlier.status === "taken") {
    await establish(agent, relaysOfChange(earlier.parent, earlier.operation.op).sets, spread);
  }
  const { parent, losing: contested } = standing(agent, settle);
  const losing = earlier.status === "taken-back" ? [...contested, earlier.operation.hash] : contested;
  const wanted = typeof changes === "function" ? changes(parent) : changes;
  if (losing.length === 0 && !isChange(parent.op, wanted)) {
    return { parent, operation: parent, added: [], removed: [] };
  }
  const { sets, reachable, added, removed } = relaysOfChange(parent, wanted);
  await spreadIdentity(context, reachable, spread);

  agent.pen.check();
  const operation = updateIdentity({
    parent,
    changes: wanted,
    signSeed: seed,
    timeMs: ports.clock.nowMs(),
    ...(losing.length === 0 ? {} : { over: losing }),
  }).parsed;
  const registrars = registrarsOf(parent, operation);
  if (registrars.length > 0) {
    // One waits at a time: what is taken back is known only as long as it waits.
    if (earlier.status === "taken-back") throw earlier.undecided;
    // A handle can be refused, so its own relay speaks first; until then the update is nobody's but this disk's.
    await home.propose(operation);
    await askRegistrars(agent, operation, registrars, spread);
  }
  await home.keepOperations([operation]);
  if (registrars.length > 0 || earlier.status === "taken-back") await home.forgetProposed();
  identity.add(operation);
  agent.chain.keysChanged();
  await establish(agent, sets, spread);
  return { parent, operation, added, removed };
}

/** Makes the newest operation, which the home has, the one that this agent works under. */
async function establish(agent: Agent, sets: readonly RelaySet[], options: SpreadOptions): Promise<void> {
  try {
    await spreadIdentity(agent.context, sets, options);
  } catch (error) {
    throw isAntsError(error, "identity-unspread") ? unfinished(agent.context.identity.newest!, error) : error;
  }
  await agent.changePen(options);
}

/** What the next update builds on, and which heads it settles. */
function standing({ context, did }: Agent, settle: boolean): { parent: ParsedOperation; losing: readonly string[] } {
  const { resolution } = context.identity;
  switch (resolution.status) {
    case "verified":
      return { parent: resolution.state.head, losing: [] };
    case "contested": {
      const { state, branches } = resolution;
      const losing = branches.filter((hash) => hash !== state.head.hash);
      if (settle && losing.length <= MAX_OVER) return { parent: state.head, losing };
      throw new AntsError(
        "identity-contested",
        `two updates of ${did} clash, and this home goes by ${state.head.hash}`,
        {
          hint:
            losing.length > MAX_OVER
              ? `an update settles ${MAX_OVER} branches, and these are ${losing.length}: ants rotate ends them all`
              : "ants relays settle ends it in favour of this home's; ants rotate where a thief wrote the other",
          details: { did, pinned: state.head.hash, losing },
        },
      );
    }
    default:
      throw new AntsError("identity-conflicted", `the identity of ${did} is ${resolution.status}`, {
        details: { did, status: resolution.status },
      });
  }
}

function isChange(present: IdentityContent, wanted: UpdateChanges): boolean {
  const { relays, faults, handles, services } = present;
  const before = { relays, faults, handles, services };
  // As sets of bytes: the order of an object's fields is no difference.
  return (
    canonicalize({ ...before, ...wanted, agree: "" }) !== canonicalize({ ...before, agree: "" }) ||
    wanted.agree !== undefined
  );
}

/**
 * `sets`: the old and the new one, of which quorums must have the update. `reachable`: with each new relay as a set of its
 * own, for the time before anything is signed: one that refuses then is of no use, one that dies later is one of a set.
 */
function relaysOfChange(parent: ParsedOperation, wanted: UpdateChanges) {
  const old = relaySetOf(parent);
  const relays = wanted.relays ?? old.relays;
  const faults = wanted.faults ?? old.faults;
  const least = 3 * faults + 1;
  if (relays.length < least) {
    const many = relays.length === 1 ? "1 relay is" : `${relays.length} relays are`;
    throw new AntsError("relays-too-few", `${many} too few: ${least} are needed where ${faults} may lie`, {
      details: { relays: relays.map(({ url }) => url), faults, least },
    });
  }
  const before = new Set(old.relays.map(relayKey));
  const after = new Set(relays.map(relayKey));
  const added = relays.filter((relay) => !before.has(relayKey(relay)));
  const removed = old.relays.filter((relay) => !after.has(relayKey(relay)));
  const next: RelaySet = { relays, faults, quorum: quorumSize(relays.length, faults) };
  const each = added.map((relay): RelaySet => ({ relays: [relay], faults: 0, quorum: 1 }));
  const sets = [old, next];
  return { sets, reachable: [...sets, ...each], added, removed };
}

function unfinished(operation: ParsedOperation, cause: AntsError): AntsError {
  return new AntsError("update-unfinished", `the update ${operation.hash} is signed and kept; ${cause.message}`, {
    cause,
    details: { ...cause.details, operation: operation.hash },
  });
}
