import { isAntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { OpenVault } from "../../keys/node/vault.js";
import type { DiskLock } from "../../keys/ports.js";
import { dormantMark, requireWakeable } from "../agent/dormant.js";
import type { AgentHome } from "../agent/home.js";
import { finishRotation } from "../agent/rotation.js";
import type { Confirmation } from "../agent/spread-operation.js";
import type { ChainStore } from "../client/chain-store.js";
import { systemPorts } from "../client/ports.js";
import type { RelayPool } from "../client/relay-pool.js";
import { EXIT } from "../protocol/errors.js";
import type { CommandContext, CommandResult } from "./context.js";
import { atMost, openTelling, tellWaiting } from "./waiting.js";

export interface Finishing {
  readonly home: AgentHome;
  /** Taken over, like the vault, also when this fails. */
  readonly lock: DiskLock;
  readonly vault: OpenVault;
  readonly vaultPath: string;
  readonly pool: RelayPool;
  readonly timeoutMs: number;
  /** Of a restored home: the owner's word for the archive's signer. */
  readonly signedByReplacedKey?: boolean;
  /** More that the result says, for `--json` and for people. */
  readonly more?: { readonly json: object; readonly lines: readonly string[] };
}

/**
 * The second half of `ants rotate` and `ants recover`: the operation goes out and is confirmed, the new key becomes the
 * key, and a first claim with it ends the turn of whoever had the old one; it wakes a restored home too, unless a key that
 * was replaced before signed its archive. Exit code 3 where only the claim is missing.
 */
export async function finishAndClaim(context: CommandContext, finishing: Finishing): Promise<CommandResult> {
  const { out, signal } = context;
  const { home, lock, vault, vaultPath, pool, timeoutMs, more = { json: {}, lines: [] } } = finishing;
  let confirmations: readonly Confirmation[];
  let rotated: string;
  try {
    const ports = systemPorts;
    using _waiting = tellWaiting(context, () => `the relays to confirm the new key, ${atMost(timeoutMs)} for each`);
    const finished = await finishRotation({ home, vault, vaultPath, pool, ports, timeoutMs, signal });
    confirmations = finished.confirmations;
    rotated = finished.operation.hash;
  } catch (error) {
    vault.close();
    await lock.release();
    throw error;
  }
  tellConfirmations(context, confirmations);
  const { did } = home.config;
  const { op } = home.identity.newest!;
  let claimed = true;
  try {
    const agent = await openTelling(
      context,
      { home, lock, vault, vaultPath },
      { signal, timeoutMs, activate: true, rotated, signedByReplacedKey: finishing.signedByReplacedKey === true },
    );
    await agent.close();
  } catch (error) {
    if (!isAntsError(error)) throw error;
    claimed = false;
    const isRefused = error.code === "backup-signer-replaced";
    const then = isRefused ? "the home sleeps on" : "it holds the pen with the next command that writes";
    out.warn(`the new key is in force, and ${then}: ${error.message}`);
  }
  const { relays, keys } = op;
  await out.result(
    {
      did,
      key: keys.sign[0],
      operation: home.identity.newest!.hash,
      relays: relays.map(({ url, stream }) => ({ url, stream })),
      confirmed: confirmations.filter(({ state }) => state === "confirmed").map(({ url }) => url),
      claimed,
      ...more.json,
    },
    [did, ...more.lines, `  key    ${keys.sign[0]}`, ...relays.map(({ url }) => `  relay  ${url}`)],
  );
  return claimed ? undefined : EXIT.partlyDone;
}

/**
 * A rotation wakes a restored home like a claim does, so what was read of the relays is asked the same: who signed its
 * archive. Before anything is signed; call with the relays read. Throws "backup-signer-replaced", disk errors.
 */
export async function requireWakeableCopy(
  home: AgentHome,
  chain: ChainStore,
  { signedByReplacedKey }: { readonly signedByReplacedKey?: boolean },
): Promise<void> {
  requireWakeable(await dormantMark(nodeDisk, home), home.identity, {
    isVouchedFor: signedByReplacedKey === true,
    onChain: ({ id, seq }) => chain.tree.onChain(id, seq),
  });
}

/** More of them are a thief's. */
const MAX_TOLD = 5;

/** Says which relays do not know yet. They hear of it from the next command that writes, as far as they are named. */
export function tellConfirmations({ out }: CommandContext, confirmations: readonly Confirmation[]): void {
  const open = confirmations.filter(({ state }) => state !== "confirmed");
  for (const confirmation of open.slice(0, MAX_TOLD)) {
    const { url, state } = confirmation;
    if (state === "rival") out.warn(`${url} held another operation of the same era first, and goes by that`);
    if (state === "failed") out.warn(`${url} does not have it yet: ${confirmation.error.message}`);
  }
  if (open.length > MAX_TOLD) out.warn(`nor do ${open.length - MAX_TOLD} more relays that were named once`);
}
