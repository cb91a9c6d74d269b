import { hex } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { SecretVersion } from "../../keys/node/vault-secrets.js";
import type { Clock, Random } from "../../keys/ports.js";
import type { PublishDraft } from "../client/publication.js";
import {
  type CredentialName,
  credentialOf,
  type Secrets,
  without,
  withRefusal,
  withRevoked,
  withVersion,
} from "./secret-changes.js";
import {
  ALARM_KIND,
  alarmToBody,
  recordToBody,
  SECRET_KIND,
  type SecretLedger,
  type SecretRecord,
} from "./secret-records.js";

/** The file of the vault, as far as its secrets go; see SecretVault. */
export interface SecretFile {
  readonly secrets: Secrets;
  refresh(): Promise<void>;
  change(change: (secrets: Secrets) => Secrets): Promise<void>;
}

export interface SecretKeeperParts {
  readonly file: SecretFile;
  /** What the chain says by now. */
  readonly ledger: () => Promise<SecretLedger>;
  /** Resolves when a quorum has the events. Absent: the chain is out of reach, and learns with a later change. */
  readonly publish?: (drafts: readonly PublishDraft[]) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PutOptions extends CredentialName {
  /** "set": there must be none yet; "rotate": there must be one. */
  readonly mode: "set" | "rotate";
  /** Taken over: the vault's close overwrites it. */
  readonly value: Uint8Array;
  readonly expiresMs?: number;
  /** rotate: until when the version before may still be used. */
  readonly keepUntilMs?: number;
}

/** What was written, for people and programs. */
export interface WrittenVersion extends CredentialName {
  readonly version: number;
  /** Whether a quorum of the relays has the record. */
  readonly recorded: boolean;
}

/**
 * Changes secrets in the vault and records each change in the chain, in the order that leaves nothing wrong wherever a
 * crash comes (docs/decisions/0017-secrets-and-the-chain.md): what adds goes to the vault first, or the chain would
 * name a version that nobody has; what takes away goes to the chain first, or an old copy of the vault would bring back
 * what nobody knows to be revoked. What a crash left between the two is finished by {@link settle}.
 */
export class SecretKeeper {
  readonly #parts: SecretKeeperParts;

  constructor(parts: SecretKeeperParts) {
    this.#parts = parts;
  }

  /** Puts in a new version. Throws "secret-exists", "secret-unknown", "secrets-full", what writing and publishing throw. */
  async put({ name, label, mode, value, expiresMs, keepUntilMs }: PutOptions): Promise<WrittenVersion> {
    const { file, clock, random } = this.#parts;
    await file.refresh();
    await this.settle();
    const ledger = await this.#parts.ledger();
    const at = { name, label };
    const id = hex(random.bytes(8));
    let number = 0;
    // Vault first: a version that only the chain names would be a secret that nobody has.
    await file.change((secrets) => {
      const versions = credentialOf(secrets, at)?.versions ?? [];
      assertMode(mode, at, versions);
      number = Math.max(ledger.newest(name, label), ...versions.map((version) => version.number)) + 1;
      const nowMs = clock.nowMs();
      const version = { number, id, madeMs: nowMs, ...(expiresMs === undefined ? {} : { expiresMs }), value };
      return withVersion(secrets, at, version, keepUntilMs);
    });
    return { ...at, version: number, recorded: await this.#recordPut() };
  }

  /**
   * Revokes one version, or removes one credential, or all credentials of a name. Returns what there was. Throws
   * "secret-unknown", what writing and publishing throw.
   */
  async remove(which: {
    readonly name: string;
    readonly label?: string;
    readonly version?: number;
  }): Promise<WrittenVersion[]> {
    const { file, publish } = this.#parts;
    await file.refresh();
    await this.settle();
    const found = versionsOf(file.secrets, which);
    if (found.length === 0) {
      throw new AntsError("secret-unknown", `this vault holds no such version of ${which.name}`, {
        hint: "ants secret list shows what there is",
        details: { ...which },
      });
    }
    const records = found.map(
      (one): SecretRecord => ({ ...one, state: which.version === undefined ? "removed" : "revoked" }),
    );
    // Chain first: an old copy of the vault must never bring back what no chain says is revoked.
    await publish?.(records.map(secretDraft));
    await file.change((secrets) =>
      found.reduce(
        (left, at) =>
          publish === undefined
            ? withRevoked(left, at, at.version)
            : without(left, at, ({ number }) => number === at.version),
        secrets,
      ),
    );
    return found.map(({ name, label, version }) => ({ name, label, version, recorded: publish !== undefined }));
  }

  /** Notes that a service did not take a version; the alarm is owed to the chain until {@link settle}. */
  async refused(at: CredentialName, version: number): Promise<void> {
    const refusal = { version, atMs: this.#parts.clock.nowMs(), recorded: false };
    await this.#parts.file.change((secrets) => withRefusal(secrets, at, refusal));
  }

  /** A version that was refused before was taken now. */
  async accepted(at: CredentialName): Promise<void> {
    await this.#parts.file.change((secrets) => withRefusal(secrets, at, undefined));
  }

  /** The vault has it: that nobody knows yet whether a quorum has its record too is no failure. */
  async #recordPut(): Promise<boolean> {
    try {
      await this.settle();
      return this.#parts.publish !== undefined;
    } catch (error) {
      if (isAntsError(error, "publish-unknown")) return false;
      throw error;
    }
  }

  /** Records what the vault has and the chain does not know, and erases what the chain says is revoked. */
  async settle(): Promise<void> {
    const { file, publish, clock } = this.#parts;
    const owed = owedDrafts(file.secrets, await this.#parts.ledger(), clock.nowMs());
    if (publish !== undefined && owed.length > 0) await publish(owed);
    // What this turn published is in the chain now, and so in the ledger.
    const ledger = await this.#parts.ledger();
    const settled = (secrets: Secrets) => settledSecrets(secrets, ledger, clock.nowMs());
    if (settled(file.secrets) !== file.secrets) await file.change(settled);
  }
}

/** Whether the vault has something that the chain does not know. */
export function isOwed(secrets: Secrets, ledger: SecretLedger, nowMs: number): boolean {
  return owedDrafts(secrets, ledger, nowMs).length > 0;
}

interface NamedVersion extends CredentialName {
  readonly version: number;
  readonly id: string;
}

function versionsOf(
  secrets: Secrets,
  { name, label, version }: { readonly name: string; readonly label?: string; readonly version?: number },
): NamedVersion[] {
  const credentials = Object.hasOwn(secrets, name) ? secrets[name]!.credentials : [];
  return credentials
    .filter((credential) => label === undefined || credential.label === label)
    .flatMap((credential) =>
      credential.versions
        .filter((one) => one.revoked !== true && (version === undefined || one.number === version))
        .map((one) => ({ name, label: credential.label, version: one.number, id: one.id })),
    );
}

function owedDrafts(secrets: Secrets, ledger: SecretLedger, nowMs: number): PublishDraft[] {
  const drafts: PublishDraft[] = [];
  for (const [name, { credentials }] of Object.entries(secrets)) {
    for (const { label, versions, refused } of credentials) {
      // Oldest first, as they were made.
      for (const [i, version] of [...versions.entries()].reverse()) {
        const standing = ledger.standing(name, label, version, nowMs);
        const at = { name, label, version: version.number, id: version.id };
        if (version.revoked === true) {
          if (standing !== "revoked") drafts.push(secretDraft({ ...at, state: "revoked" }));
        } else if (standing === "unrecorded") {
          const before = versions.slice(i + 1).find(({ revoked }) => revoked !== true);
          const isFirst = before === undefined && ledger.newest(name, label) === 0;
          const keepUntilMs = before?.expiresMs;
          drafts.push(
            secretDraft({
              ...at,
              state: isFirst ? "set" : "rotated",
              ...(keepUntilMs === undefined ? {} : { keepUntilMs }),
            }),
          );
        }
        if (refused?.version === version.number && !refused.recorded && !ledger.hasAlarm(name, label, version)) {
          drafts.push({ kind: ALARM_KIND, private: true, body: alarmToBody(at, refused.atMs) });
        }
      }
    }
  }
  return drafts;
}

/** The same object where nothing is to be done. */
function settledSecrets(secrets: Secrets, ledger: SecretLedger, nowMs: number): Secrets {
  let settled = secrets;
  for (const [name, { credentials }] of Object.entries(secrets)) {
    for (const { label, versions, refused } of credentials) {
      const at = { name, label };
      const of = versions.find(({ number }) => number === refused?.version);
      if (refused?.recorded === false && of !== undefined && ledger.hasAlarm(name, label, of)) {
        settled = withRefusal(settled, at, { ...refused, recorded: true });
      }
      // What the chain revoked, and what a rotation kept for a while that is over.
      const isGone = (version: SecretVersion) =>
        ledger.standing(name, label, version, nowMs) === "revoked" ||
        (version !== versions[0] && version.revoked !== true && (version.expiresMs ?? nowMs) <= nowMs);
      if (versions.some(isGone)) settled = without(settled, at, isGone);
    }
  }
  return settled;
}

function secretDraft(record: SecretRecord): PublishDraft {
  return { kind: SECRET_KIND, private: true, body: recordToBody(record) };
}

function assertMode(mode: "set" | "rotate", { name, label }: CredentialName, versions: readonly SecretVersion[]): void {
  const there = versions.some(({ revoked }) => revoked !== true);
  if (mode === "set" && there) {
    throw new AntsError("secret-exists", `${name} (${label}) is in the vault already`, {
      hint: `a new version of it: ants secret rotate ${name} --label ${label}; another account: --label OTHER`,
      details: { name, label },
    });
  }
  if (mode === "rotate" && !there) {
    throw new AntsError("secret-unknown", `this vault holds no secret ${name} (${label}) to rotate`, {
      hint: `ants secret set ${name} --label ${label}`,
      details: { name, label },
    });
  }
}
