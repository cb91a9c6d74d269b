import { AntsError } from "../../keys/errors.js";
import type { Credential, SecretVersion } from "../../keys/node/vault-secrets.js";
import type { Secrets } from "./secret-changes.js";
import type { SecretLedger, Standing } from "./secret-records.js";

/** A version that may be used. Its `value` is the vault's own array: zeroed when the vault is closed. */
export interface UsableVersion {
  readonly name: string;
  readonly label: string;
  readonly version: SecretVersion;
  readonly standing: Standing;
}

export interface ChoiceOptions {
  /** Only this credential. */
  readonly label?: string;
  /** This version and not the newest. */
  readonly version?: number;
  readonly allowExpired?: boolean;
  readonly allowStale?: boolean;
  /** Also credentials whose newest version was refused before. */
  readonly retryRefused?: boolean;
}

/** Why a version may not be used, in the order in which it is judged. */
export type Obstacle = "revoked" | "stale" | "expired" | "refused";

/** What a version is worth now, whatever is asked for. */
export function obstacleOf(
  ledger: SecretLedger,
  name: string,
  credential: Credential,
  version: SecretVersion,
  nowMs: number,
): Obstacle | undefined {
  const standing = ledger.standing(name, credential.label, version, nowMs);
  if (version.revoked === true || standing === "revoked") return "revoked";
  // What the keys of this vault do not open was written after a rotation of the identity: nothing here is known to hold.
  if (standing === "stale" || ledger.isUnreadable) return "stale";
  if (version.expiresMs !== undefined && version.expiresMs <= nowMs) return "expired";
  if (credential.refused?.version === version.number) return "refused";
  return undefined;
}

/** What is not used though it comes first, and why: whoever chooses tells somebody. */
export interface PassedOver {
  readonly label: string;
  readonly version: number;
  readonly why: Obstacle;
}

export interface Choice {
  /** In the order in which to try them; at least one. */
  readonly usable: readonly UsableVersion[];
  readonly passedOver: readonly PassedOver[];
}

/**
 * The versions that may be used for a capability. Throws
 * "secret-unknown", or what stands in the way of the preferred one where nothing is left: "secret-stale" (also where
 * the chain says that it was revoked), "secret-expired", "credentials-exhausted".
 */
export function choose(
  secrets: Secrets,
  ledger: SecretLedger,
  name: string,
  options: ChoiceOptions & { readonly nowMs: number },
): Choice {
  const { label, nowMs } = options;
  const credentials = (Object.hasOwn(secrets, name) ? secrets[name]!.credentials : []).filter(
    (credential) => label === undefined || credential.label === label,
  );
  if (credentials.length === 0) throw unknown(name, label);
  const found: UsableVersion[] = [];
  const obstacles: PassedOver[] = [];
  for (const credential of credentials) {
    const version = credential.versions.find(
      ({ number }) => options.version === undefined || number === options.version,
    );
    if (version === undefined) continue;
    const why = obstacleOf(ledger, name, credential, version, nowMs);
    if (why === undefined || allows(options, why, version)) {
      const standing = ledger.standing(name, credential.label, version, nowMs);
      found.push({ name, label: credential.label, version, standing });
    } else {
      obstacles.push({ label: credential.label, version: version.number, why });
    }
  }
  if (found.length > 0) return { usable: found, passedOver: obstacles };
  if (obstacles.length === 0) throw unknown(name, label, options.version);
  const stale = obstacles.find(({ why }) => why === "stale" || why === "revoked");
  if (stale !== undefined) throw staleError(name, stale.label, stale.version, stale.why, ledger);
  const expired = obstacles.find(({ why }) => why === "expired");
  if (expired !== undefined && obstacles.every(({ why }) => why === "expired")) {
    throw new AntsError("secret-expired", `version ${expired.version} of ${name} (${expired.label}) has expired`, {
      hint: `put in a new one: ants secret rotate ${name} --label ${expired.label}`,
      details: { name, label: expired.label, version: expired.version },
    });
  }
  throw exhausted(
    name,
    obstacles.map((one) => one.label),
  );
}

/** Nothing is left to try. */
export function exhausted(name: string, labels: readonly string[]): AntsError {
  return new AntsError(
    "credentials-exhausted",
    `every credential of ${name} was refused or has expired (${labels.join(", ")})`,
    {
      hint: `put in a new one: ants secret rotate ${name} --label ${labels[0] ?? "main"} (or try the refused ones again: --retry-refused)`,
      details: { name, labels },
    },
  );
}

/** An erased value cannot be allowed by anybody. */
function allows(options: ChoiceOptions, why: Obstacle, version: SecretVersion): boolean {
  switch (why) {
    case "revoked":
    case "stale":
      return options.allowStale === true && version.revoked !== true;
    case "expired":
      return options.allowExpired === true;
    case "refused":
      return options.retryRefused === true;
  }
}

function staleError(name: string, label: string, number: number, why: Obstacle, ledger: SecretLedger): AntsError {
  const which = `version ${number} of ${name} (${label})`;
  const newest = ledger.newest(name, label);
  const says =
    why === "revoked"
      ? `${which} was revoked, the agent's chain says`
      : ledger.isUnreadable
        ? `${which} may be out of date: the agent's chain has records that this vault's keys do not open`
        : `${which} is out of date: the agent's chain names version ${newest}`;
  return new AntsError("secret-stale", `${says}: this vault is an older copy`, {
    hint: `restore the newest vault, or put the secret in anew: ants secret rotate ${name} --label ${label}`,
    details: { name, label, version: number, newest },
  });
}

function unknown(name: string, label?: string, version?: number): AntsError {
  const what = `${version === undefined ? "" : `version ${version} of `}${name}${label === undefined ? "" : ` (${label})`}`;
  return new AntsError("secret-unknown", `this vault holds no ${version === undefined ? "secret " : ""}${what}`, {
    hint: `ants secret list shows what there is; ants secret set ${name} puts it in`,
    details: { name },
  });
}
