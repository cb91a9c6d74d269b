import { resolve } from "node:path";
import { ageRecipient, ageSecretKey } from "../../../keys/age.js";
import { utf8, zero } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { decodeMultikey, encodeMultikey } from "../../../keys/multikey.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { openVault } from "../../../keys/node/vault.js";
import { readVaultFile, updateVaultFile } from "../../../keys/node/vault-file.js";
import { createFile } from "../../../keys/node/whole-file.js";
import { phraseKeys } from "../../../keys/phrase.js";
import { systemClock, systemRandom } from "../../../keys/ports.js";
import { phraseRecipient } from "../../agent/backup/backup-keys.js";
import { type RewrapOutcome, rewrapBackups } from "../../agent/backup/rewrap-backups.js";
import { AgentHome } from "../../agent/home.js";
import { assertVaultOf } from "../../agent/open-home.js";
import { EXIT } from "../../protocol/errors.js";
import { archiveKeys, BackupPlace, type BackupPlaceOptions } from "../backup-place.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { assertPhraseOf } from "../phrase-match.js";
import { isInside, vaultPath } from "../places.js";
import { unlock } from "../unlock.js";
import { usageError } from "../usage.js";

export interface BackupRecipientOptions extends PhraseSource {
  readonly vault?: string;
}

/** Says to whom backups are encrypted; with the recovery words, tells the vault first. */
export async function backupRecipient(
  context: CommandContext,
  options: BackupRecipientOptions,
): Promise<CommandResult> {
  const { out, env } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did } = home.config;
  if (!isNamed(options)) {
    const { vault } = await unlock(context, did, options);
    try {
      const recipient = phraseRecipient(vault.content);
      await out.result({ did, recipient, changed: false }, [recipient]);
    } finally {
      vault.close();
    }
    return undefined;
  }
  const path = vaultPath(options.vault, did, env);
  const bytes = await readVaultFile(path);
  keepMemoryOutOfCoreDumps();
  const { entropy } = await readPhrase(context, options);
  try {
    assertPhraseOf(entropy, home.identity);
    const keys = phraseKeys(entropy);
    const backup = encodeMultikey(keys.backup.publicKey, "x25519");
    zero(keys.backup.secret, keys.escrow.secret, keys.vaultKey);
    const vault = openVault(bytes, { phrase: entropy });
    assertVaultOf(did, vault, path);
    try {
      const before = vault.content.backup;
      if (before !== backup) {
        await updateVaultFile(path, (present) => {
          vault.refresh(present);
          return vault.reseal({ ...vault.content, backup });
        });
      }
      const recipient = ageRecipient(decodeMultikey(backup).publicKey);
      if (before !== undefined && before !== backup)
        out.warn("archives that there are still open with the former words: ants backup rewrap");
      await out.result({ did, recipient, changed: before !== backup }, [recipient]);
    } finally {
      vault.close();
    }
  } finally {
    zero(entropy);
  }
  return undefined;
}

export interface BackupIdentityOptions extends PhraseSource {
  readonly out?: string;
  readonly show?: true;
}

/** Hands out the secret key that opens every archive with the `age` command, where no ants is at hand. */
export async function backupIdentity(context: CommandContext, options: BackupIdentityOptions): Promise<CommandResult> {
  const { out } = context;
  if ((options.out === undefined) === (options.show === undefined))
    throw usageError("say where to: --out FILE for a new 0600 file, or --show for stdout", "backup identity");
  const file = options.out === undefined ? undefined : resolve(options.out);
  if (file !== undefined && (await isInside(file, context.home))) {
    throw new AntsError("vault-in-home", `refused to write a key to ${file}: that is within the home`, {
      hint: "homes are copied and read: name a file outside",
      details: { path: file, home: context.home },
    });
  }
  const { entropy } = await readPhrase(context, options);
  const keys = phraseKeys(entropy);
  zero(entropy, keys.escrow.secret, keys.vaultKey);
  const recipient = ageRecipient(keys.backup.publicKey);
  const secret = ageSecretKey(keys.backup.secret);
  zero(keys.backup.secret);
  out.warn("whoever has this key opens every backup of this agent, the cold ones too: remove it when you are done");
  if (file === undefined) {
    await out.result({ recipient, identity: secret }, [secret]);
    return undefined;
  }
  await createFile(file, utf8(`# recipient: ${recipient}\n${secret}\n`), 0o600).catch((error: unknown) => {
    if (!isAntsError(error, "disk-exists")) throw error;
    throw new AntsError("disk-exists", `there is something at ${file} already`, { hint: "name a new file" });
  });
  await out.result({ recipient, file }, [`${file} opens them: age --decrypt --identity ${file} ARCHIVE | tar x`]);
  return undefined;
}

export interface BackupRewrapOptions extends BackupPlaceOptions, PhraseSource {
  readonly dryRun?: true;
}

/** Encrypts archives anew whose recipients are no longer those of the vault, and lists what it had to leave. */
export async function backupRewrap(context: CommandContext, options: BackupRewrapOptions): Promise<CommandResult> {
  const { out, signal } = context;
  await using place = await BackupPlace.open(context, options);
  if (options.dryRun !== true) await place.requireAtWork();
  const targets = place.targets();
  const vault = await place.vault();
  const host = await archiveKeys(context, {}, async () => vault);
  const words = isNamed(options) ? await archiveKeys(context, options, async () => vault) : undefined;
  const progress = out.progress("archives:");
  let done = 0;
  let outcomes: RewrapOutcome[];
  try {
    outcomes = await rewrapBackups({
      home: place.home,
      vault: vault.content,
      targets,
      identities: [...host.identities, ...(words?.identities ?? [])],
      catalogue: place.catalogue,
      dryRun: options.dryRun === true,
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      signal,
      onProgress: () => progress.at(++done),
    });
  } finally {
    progress.end();
    host.close();
    words?.close();
  }
  const left = outcomes.filter(({ status }) => status === "left" || status === "due");
  await out.result(
    {
      archives: outcomes.map((outcome) =>
        outcome.status === "left"
          ? { ...outcome, error: { code: outcome.error.code, message: outcome.error.message } }
          : outcome,
      ),
    },
    outcomes.map(outcomeText),
  );
  if (left.length > 0 && options.dryRun !== true) {
    out.warn(`${left.length} still open with what they opened with before`);
    if (words === undefined) out.note("cold ones need the recovery words: ants backup rewrap --phrase-file FILE");
  }
  if (outcomes.some(({ status }) => status === "rewrapped"))
    out.note("whoever copied the old ones still has them: what was in them is as safe as the old key");
  return left.length === 0 || options.dryRun === true ? undefined : EXIT.partlyDone;
}

function outcomeText(outcome: RewrapOutcome): string {
  const where = `${outcome.name} at ${outcome.url}`;
  switch (outcome.status) {
    case "current":
      return `right   ${where}`;
    case "due":
      return `due     ${where}`;
    case "rewrapped":
      return `anew    ${where}, now ${outcome.as}`;
    case "left":
      return `LEFT    ${where}: ${outcome.error.message}`;
  }
}

function isNamed({ phraseFile, shareFile = [] }: PhraseSource): boolean {
  return phraseFile !== undefined || shareFile.length > 0;
}
