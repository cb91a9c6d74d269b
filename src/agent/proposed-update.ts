import { AntsError, isAntsError } from "../../keys/errors.js";
import { parseHandle } from "../../keys/identity/handle.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { IdentityLog } from "../client/identity-log.js";
import { type SpreadOptions, spreadIdentity } from "../client/identity-spread.js";
import type { Agent } from "./open-agent.js";

/**
 * Asks the relays whose handles a proposed update takes to store it. Resolves when all of them have. Where one refuses,
 * the proposal is forgotten if none stored it, and its refusal is thrown (`handle-taken` …): nothing was signed then, as
 * far as anybody can see. Throws `update-undecided` while the answer of one is unknown, or where one took it and another
 * refused: the proposal stays.
 */
export async function askRegistrars(
  { context, home }: Agent,
  operation: ParsedOperation,
  registrars: readonly RelayAddress[],
  options: SpreadOptions,
): Promise<void> {
  const identity = IdentityLog.learnt(context.did, [...context.identity.operations(), operation]);
  let stored = 0;
  // One after the other: as long as the first refuses, nobody has it.
  for (const relay of registrars) {
    try {
      await spreadIdentity({ ...context, identity }, [{ relays: [relay], faults: 0, quorum: 1 }], options);
      stored += 1;
    } catch (error) {
      if (!isAntsError(error, "identity-unspread")) throw error;
      if (stored === 0 && isAntsError(error.cause)) {
        await home.forgetProposed();
        throw error.cause;
      }
      throw new AntsError(
        "update-undecided",
        `${relay.url} did not say whether it takes the update: ${error.message}`,
        {
          cause: error,
          details: { ...error.details, url: relay.url, operation: operation.hash },
        },
      );
    }
  }
}

/** Relays of the new set that an added handle is registered with. */
export function registrarsOf(parent: ParsedOperation, { op }: ParsedOperation): RelayAddress[] {
  const hosts = new Set(
    op.handles.flatMap((text) => {
      const handle = parent.op.handles.includes(text) ? undefined : parseHandle(text);
      if (handle?.kind !== "account") return [];
      return [handle.port === undefined ? handle.host : `${handle.host}:${handle.port}`];
    }),
  );
  return op.relays.filter(({ url }) => hosts.has(new URL(url).host));
}

/** An update that waits for the word of relays. */
export interface WaitingUpdate {
  /** The handles that it adds. */
  readonly handles: readonly string[];
  /** URLs of the relays that it asks. */
  readonly relays: readonly string[];
}

/** What became of an update of an earlier run. */
export type SettledProposal =
  /** There was none, or it is refused and forgotten. */
  | { readonly status: "none" }
  /** It is the agent's own now. */
  | { readonly status: "taken"; readonly parent: ParsedOperation; readonly operation: ParsedOperation }
  /** Nobody knows, and the caller takes it back: the next update has to name it in `over`. It is still in the home. */
  | { readonly status: "taken-back"; readonly operation: ParsedOperation; readonly undecided: AntsError };

/**
 * Brings a proposal of an earlier run to its end: taken by the relays that it asks, then kept as any update, and
 * returned; or refused, and forgotten. So is one that the identity went past: to send it now would split it. Throws
 * `update-undecided` unless the caller takes it back, disk errors.
 */
export async function settleProposed(
  agent: Agent,
  options: SpreadOptions,
  takesBack: (waiting: WaitingUpdate) => boolean,
): Promise<SettledProposal> {
  const { home, context } = agent;
  const { identity } = context;
  const operation = await home.proposed();
  if (operation === undefined) return { status: "none" };
  const parent = identity.newest;
  if (parent === undefined || parent.hash !== operation.op.prev) {
    await home.forgetProposed();
    return { status: "none" };
  }
  const registrars = registrarsOf(parent, operation);
  try {
    await askRegistrars(agent, operation, registrars, options);
  } catch (error) {
    // Refused and forgotten: nothing is left of it.
    if ((await home.proposed()) === undefined) return { status: "none" };
    const handles = operation.op.handles.filter((handle) => !parent.op.handles.includes(handle));
    const waiting = { handles, relays: registrars.map(({ url }) => url) };
    if (isAntsError(error, "update-undecided") && takesBack(waiting)) {
      return { status: "taken-back", operation, undecided: error };
    }
    throw error;
  }
  await home.keepOperations([operation]);
  await home.forgetProposed();
  identity.add(operation);
  agent.chain.keysChanged();
  return { status: "taken", parent, operation };
}
