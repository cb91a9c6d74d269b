import { resolve } from "node:path";
import { fromUtf8, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { assertDurablePlace } from "../../keys/node/place.js";
import type { OpenVault } from "../../keys/node/vault.js";
import type { VaultContent } from "../../keys/node/vault-content.js";
import { phraseKeys } from "../../keys/phrase.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import type { BackupTier } from "../agent/backup/archive-name.js";
import { hostKeys } from "../agent/backup/backup-keys.js";
import { Catalogue } from "../agent/backup/catalogue.js";
import { type BackupConfig, readBackupConfig } from "../agent/backup/config.js";
import type { AgeIdentity } from "../agent/backup/read-archive.js";
import { type BackupTarget, folderOf, openTarget, type S3Credentials } from "../agent/backup/target.js";
import { requireAwake } from "../agent/dormant.js";
import { AgentHome } from "../agent/home.js";
import { requireNotMoved } from "../agent/moved.js";
import type { CommandContext } from "./context.js";
import { type PhraseSource, readPhrase } from "./phrase-input.js";
import { allowsEphemeral, isInside, pathWithin, vaultPath } from "./places.js";
import { unlock } from "./unlock.js";

export interface BackupPlaceOptions {
  /** Addresses of targets, instead of those of the plan. */
  readonly target?: readonly string[];
  readonly vault?: string;
}

/** The secret of the vault that s3 targets are reached with. */
const S3_SECRET = "backup.s3";

/** A home with its plan for backups: its targets, and its vault, which is opened when something needs it. */
export class BackupPlace {
  readonly home: AgentHome;
  readonly config: BackupConfig;
  readonly catalogue: Catalogue;
  readonly #context: CommandContext;
  readonly #options: BackupPlaceOptions;
  #vault: Promise<OpenVault> | undefined;

  private constructor(context: CommandContext, options: BackupPlaceOptions, home: AgentHome, config: BackupConfig) {
    this.#context = context;
    this.#options = options;
    this.home = home;
    this.config = config;
    this.catalogue = new Catalogue(nodeDisk, home.layout.state);
  }

  /** Throws "home-missing", "backup-config", disk errors. */
  static async open(context: CommandContext, options: BackupPlaceOptions): Promise<BackupPlace> {
    const home = await AgentHome.open(nodeDisk, context.home);
    return new BackupPlace(context, options, home, await readBackupConfig(nodeDisk, home.layout.state));
  }

  /** Those that were named, else those of the plan, of one tier or of any. Throws "backup-no-target". */
  targets(tier?: BackupTier): BackupTarget[] {
    const addresses = this.addresses(tier);
    if (addresses.length === 0) {
      throw new AntsError("backup-no-target", `nobody said where ${tier ?? "the"} backups are`, {
        hint: "name a place: --target /media/stick/backups, or in .ants/backup.toml (docs/backups.md)",
      });
    }
    return addresses.map((address) => this.#open(address));
  }

  addresses(tier?: BackupTier): string[] {
    const named = this.#options.target ?? [];
    if (named.length > 0) return [...new Set(named.map(absolute))];
    const planned = this.config.target.filter((target) => tier === undefined || target.tier.includes(tier));
    return [...new Set(planned.map(({ url }) => url))];
  }

  /**
   * What is left out of archives: the vault, and targets that are folders of this home: those of the plan, those that
   * were named now, and those that something was stored at before. Throws disk errors.
   */
  async leftOut(): Promise<Map<string, string>> {
    const { env } = this.#context;
    const paths = new Map([[vaultPath(this.#options.vault, this.home.config.did, env), "the vault"]]);
    const earlier = (await this.catalogue.archives()).flatMap(({ copies }) => [...copies.keys()]);
    for (const address of [...this.addresses(), ...this.config.target.map(({ url }) => url), ...earlier]) {
      const folder = folderOf(address);
      if (folder !== undefined) paths.set(folder, "a target of backups");
    }
    return paths;
  }

  /** Paths within the home of files that the vault's passphrase is taken from: no archive may have them. */
  async passphraseFiles(): Promise<ReadonlySet<string>> {
    const file = this.#context.env.ANTS_PASSPHRASE_FILE;
    const path = file ? await pathWithin(file, this.home.path) : undefined;
    return new Set(path === undefined ? [] : [path]);
  }

  /** New archives go to places that last only. Throws "vault-ephemeral". */
  async requireDurable(tier: BackupTier): Promise<void> {
    const allowEphemeral = allowsEphemeral(this.#context.env);
    for (const address of this.addresses(tier)) {
      const folder = folderOf(address);
      if (folder === undefined) continue;
      await assertDurablePlace(folder, { allowEphemeral, what: "a folder of backups" });
      if (await isInside(folder, this.home.path))
        this.#context.out.warn(`${folder} is within the home: what is stored there is lost with it`);
    }
  }

  /**
   * Whatever makes or removes archives is done where the agent lives: a copy that sleeps, or that the agent moved away
   * from, would push out the archives of the one that is at work. Throws "home-dormant", "home-moved".
   */
  async requireAtWork(): Promise<void> {
    await requireNotMoved(nodeDisk, this.home);
    await requireAwake(nodeDisk, this.home);
  }

  /** Opened once. Throws what {@link unlock} throws. */
  vault(): Promise<OpenVault> {
    const { vault } = this.#options;
    this.#vault ??= unlock(this.#context, this.home.config.did, vault === undefined ? {} : { vault }).then(
      (unlocked) => unlocked.vault,
    );
    return this.#vault;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const vault = await this.#vault?.catch(() => undefined);
    vault?.close();
  }

  #open(address: string): BackupTarget {
    const { signal, env } = this.#context;
    const vault = async () => (await this.vault()).content;
    return openTarget(address, {
      clock: systemClock,
      random: systemRandom,
      signal,
      s3Credentials: () => s3Credentials(env, vault),
    });
  }
}

/**
 * What s3 targets are reached with: from the environment, as every tool of that world takes it, else from the vault.
 * Throws "backup-target-denied".
 */
export async function s3Credentials(
  env: CommandContext["env"],
  vault: () => Promise<Pick<VaultContent, "secrets"> | undefined>,
): Promise<S3Credentials> {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env;
  if (id && secret) return { accessKeyId: id, secretAccessKey: secret, ...(token ? { sessionToken: token } : {}) };
  const value = (await vault())?.secrets[S3_SECRET]?.credentials[0]?.versions[0]?.value;
  const text = value === undefined ? "" : fromUtf8(value).trim();
  // A key id may have a colon in it, a secret has none.
  const colon = text.lastIndexOf(":");
  if (colon > 0 && colon < text.length - 1 && !/\s/.test(text))
    return { accessKeyId: text.slice(0, colon), secretAccessKey: text.slice(colon + 1) };
  throw new AntsError("backup-target-denied", "there is nothing to sign requests to an s3 target with", {
    hint: `put in KEY-ID:SECRET, on one line: ants secret set ${S3_SECRET}; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
  });
}

export interface OpensWith {
  readonly identities: readonly AgeIdentity[];
  /** For people: "the recovery words". */
  readonly by: string;
  /** Overwrites the keys. */
  readonly close: () => void;
}

/** The keys that may open archives: of the recovery words where they are named, else of this host. */
export async function archiveKeys(
  context: CommandContext,
  source: PhraseSource,
  vault: () => Promise<OpenVault>,
): Promise<OpensWith> {
  const named = source.phraseFile !== undefined || (source.shareFile ?? []).length > 0;
  if (!named) {
    const keys = hostKeys((await vault()).content);
    return { identities: keys, by: "this host's keys", close: () => zero(...keys.map(({ secret }) => secret)) };
  }
  const { entropy } = await readPhrase(context, source);
  const { backup, escrow, vaultKey } = phraseKeys(entropy);
  zero(entropy, escrow.secret, vaultKey);
  return { identities: [backup], by: "the recovery words", close: () => zero(backup.secret) };
}

/** A path is meant from here; an address says itself what it is. */
function absolute(address: string): string {
  return /^[a-z0-9]+:\/\//.test(address) ? address : resolve(address);
}
