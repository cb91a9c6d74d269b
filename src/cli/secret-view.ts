import { nodeDisk } from "../../keys/node/disk.js";
import type { OpenVault } from "../../keys/node/vault.js";
import { AgentHome } from "../agent/home.js";
import type { PassedOver } from "../agent/secret-choice.js";
import { type Asked, readFromChain, readFromRelays, stateKeysOf } from "../agent/secret-reading.js";
import { SecretLedger } from "../agent/secret-records.js";
import { systemPorts } from "../client/ports.js";
import { readChain } from "./chain-reading.js";
import type { CommandContext } from "./context.js";
import { unlock } from "./unlock.js";

export interface SecretViewOptions {
  readonly vault?: string;
  readonly offline?: true;
  /** Seconds for the relays. */
  readonly timeout: number;
}

/** The secrets of a home and what its chain says of them, for commands that only read. Whoever has it closes the vault. */
export interface SecretView {
  readonly home: AgentHome;
  readonly vault: OpenVault;
  readonly vaultPath: string;
  readonly ledger: SecretLedger;
  /** Absent where nobody was asked. */
  readonly asked?: Asked;
}

/**
 * Opens the vault, reads the chain of this home, and asks the agent's relays for what was recorded elsewhere since.
 * Works beside an agent that holds the home: nothing is locked or written. Where the relays cannot be asked it says so
 * and goes on with what is here. Throws what opening home, vault and chain throws, or the signal's reason.
 */
export async function viewSecrets(context: CommandContext, options: SecretViewOptions): Promise<SecretView> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { vault, path } = await unlock(context, home.config.did, options);
  try {
    const { chain } = await readChain(home);
    const ledger = new SecretLedger();
    const keys = stateKeysOf(vault.content);
    await readFromChain(ledger, chain, keys);
    const view = { home, vault, vaultPath: path, ledger };
    if (options.offline === true) {
      tellIfOld(context, vault, chain.head?.seq ?? -1);
      return view;
    }
    const timeoutMs = options.timeout * 1000;
    const { identity } = home;
    const asked = await readFromRelays(ledger, { identity, chain, keys, ports: systemPorts, timeoutMs, signal });
    if (!asked.isQuorum) {
      out.warn(
        `${asked.answered} of ${asked.relays} relays answered: a newer version that another copy of this agent recorded ` +
          "may be missed",
      );
      tellIfOld(context, vault, chain.head?.seq ?? -1);
    }
    return { ...view, asked };
  } catch (error) {
    vault.close();
    throw error;
  }
}

/** Says which credentials come first and are not used. */
export function warnPassedOver({ out }: CommandContext, name: string, passedOver: readonly PassedOver[]): void {
  for (const { label, version, why } of passedOver) {
    const what = why === "stale" ? "out of date: this vault is an older copy" : why === "revoked" ? "revoked" : why;
    out.warn(
      `${name} (${label}) is passed over: version ${version} is ${what}; put in a new one: ants secret rotate ${name} --label ${label}`,
    );
  }
}

/** A home that knows less than the vault cannot tell whether the vault is the newest. */
function tellIfOld({ out }: CommandContext, vault: OpenVault, headSeq: number): void {
  const { highWater } = vault.content;
  if (highWater === undefined || highWater.seq <= headSeq) return;
  out.warn(
    `this home lacks ${highWater.seq - headSeq} events that the vault remembers: what they say of secrets is not known`,
  );
}
