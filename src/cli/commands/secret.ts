import { zero } from "../../../keys/bytes.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { CREDENTIAL_LABEL, SECRET_NAME } from "../../../keys/node/vault-secrets.js";
import { systemClock, systemRandom } from "../../../keys/ports.js";
import { AgentHome } from "../../agent/home.js";
import { SecretKeeper, type WrittenVersion } from "../../agent/secret-keeper.js";
import { readFromChain, stateKeysOf } from "../../agent/secret-reading.js";
import { SecretLedger } from "../../agent/secret-records.js";
import { SecretVault } from "../../agent/secret-vault.js";
import { EXIT } from "../../protocol/errors.js";
import { agentAtWork } from "../agent-at-work.js";
import { readChain } from "../chain-reading.js";
import { confirm } from "../confirm.js";
import type { CommandContext, CommandResult } from "../context.js";
import { readSecretValue } from "../secret-input.js";
import { unlock } from "../unlock.js";
import { usageError } from "../usage.js";

interface ChangeOptions {
  readonly name: string;
  readonly offline?: true;
  /** Seconds. */
  readonly timeout: number;
  readonly vault?: string;
}

export interface SecretSetOptions extends ChangeOptions {
  readonly label: string;
  readonly file?: string;
  readonly exact?: true;
  /** Milliseconds since 1970. */
  readonly expires?: number;
}

export interface SecretRotateOptions extends SecretSetOptions {
  /** Milliseconds. */
  readonly grace?: number;
}

export interface SecretRmOptions extends ChangeOptions {
  readonly label?: string;
  /** Of the version that is revoked. */
  readonly number?: number;
  readonly yes?: true;
}

/** Puts in the first version of a credential. */
export async function secretSet(context: CommandContext, options: SecretSetOptions): Promise<CommandResult> {
  return put(context, "set", options);
}

/** Puts in a new version of a credential that is there. */
export async function secretRotate(context: CommandContext, options: SecretRotateOptions): Promise<CommandResult> {
  return put(context, "rotate", options);
}

async function put(
  context: CommandContext,
  mode: "set" | "rotate",
  options: SecretRotateOptions,
): Promise<CommandResult> {
  const { out, signal } = context;
  const { name, label, expires, grace } = options;
  checkName(name, label, mode);
  if (expires !== undefined && expires <= systemClock.nowMs())
    throw usageError("--expires: that is over", `secret ${mode}`);
  const value = await readSecretValue({ ...options, stdin: process.stdin, signal });
  try {
    const written = await withKeeper(context, options, (keeper) =>
      keeper.put({
        name,
        label,
        mode,
        // The vault takes it over, and overwrites it when it is closed.
        value,
        ...(expires === undefined ? {} : { expiresMs: expires }),
        ...(grace === undefined ? {} : { keepUntilMs: systemClock.nowMs() + grace }),
      }),
    );
    await out.result(written, [
      `${name} (${label}): version ${written.version} is in the vault${recordText([written])}`,
    ]);
    return recordedOrPartly(context, options, [written]);
  } finally {
    zero(value);
  }
}

/** Removes a secret or a credential, or revokes a version: asks for the name, or takes --yes. */
export async function secretRm(context: CommandContext, options: SecretRmOptions): Promise<CommandResult> {
  const { out } = context;
  const { name, label, number } = options;
  checkName(name, label ?? "main", "rm");
  const about = [`Removing ${name} for good.`];
  await confirm({ about, word: name, yes: options.yes === true, signal: context.signal });
  const removed = await withKeeper(context, options, (keeper) =>
    keeper.remove({
      name,
      ...(label === undefined ? {} : { label }),
      ...(number === undefined ? {} : { version: number }),
    }),
  );
  await out.result(
    { name, removed },
    removed.map((one) => `${name} (${one.label}): version ${one.version} is gone${recordText([one])}`),
  );
  return recordedOrPartly(context, options, removed);
}

function withKeeper<T>(
  context: CommandContext,
  options: ChangeOptions,
  work: (keeper: SecretKeeper) => Promise<T>,
): Promise<T> {
  if (options.offline === true) return offline(context, options, work);
  return agentAtWork(context, { ...options, timeoutMs: options.timeout * 1000 }, (agent) => work(agent.secrets.keeper));
}

/** The vault alone, also while an agent is at work in this home: it takes over what is written here. */
async function offline<T>(
  context: CommandContext,
  options: ChangeOptions,
  work: (keeper: SecretKeeper) => Promise<T>,
): Promise<T> {
  const home = await AgentHome.open(nodeDisk, context.home);
  const { vault, path } = await unlock(context, home.config.did, options);
  try {
    const { chain } = await readChain(home);
    const ledger = new SecretLedger();
    await readFromChain(ledger, chain, stateKeysOf(vault.content));
    const file = new SecretVault(vault, path);
    return await work(
      new SecretKeeper({ file, ledger: () => Promise.resolve(ledger), clock: systemClock, random: systemRandom }),
    );
  } finally {
    vault.close();
  }
}

function recordText(written: readonly WrittenVersion[]): string {
  return written.every(({ recorded }) => recorded) ? ", and in the chain" : "";
}

function recordedOrPartly(
  { out }: CommandContext,
  { offline: chosen }: ChangeOptions,
  written: readonly WrittenVersion[],
): CommandResult {
  if (written.every(({ recorded }) => recorded)) return undefined;
  out.warn(
    "not in the chain yet: until a later change of secrets records it, an older copy of the vault is not known as such",
  );
  return chosen === true ? undefined : EXIT.partlyDone;
}

function checkName(name: string, label: string, command: string): void {
  if (!SECRET_NAME.test(name))
    throw usageError(`${name}: expected a name like ${SECRET_NAME.source}`, `secret ${command}`);
  if (!CREDENTIAL_LABEL.test(label))
    throw usageError(`--label ${label}: expected ${CREDENTIAL_LABEL.source}`, `secret ${command}`);
}
