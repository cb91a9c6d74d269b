import { AntsError } from "../../keys/errors.js";
import {
  type Credential,
  MAX_CREDENTIALS,
  MAX_SECRETS,
  MAX_VERSIONS,
  type Refusal,
  type Secret,
  type SecretVersion,
} from "../../keys/node/vault-secrets.js";

export type Secrets = Readonly<Record<string, Secret>>;

/** Which credential is meant. */
export interface CredentialName {
  readonly name: string;
  readonly label: string;
}

/** How changes of a vault's secrets look, as pure functions: what is not in the result any more is gone with the write. */

export function credentialOf(secrets: Secrets, { name, label }: CredentialName): Credential | undefined {
  const secret = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  return secret?.credentials.find((credential) => credential.label === label);
}

/**
 * With a new version of a credential, which takes the place of all before it; the last of them is kept until
 * `keepUntilMs` where it is given, as its own expiry. The refusal of an older version no longer counts. Throws "secrets-full".
 */
export function withVersion(
  secrets: Secrets,
  at: CredentialName,
  version: SecretVersion,
  keepUntilMs?: number,
): Secrets {
  const before = credentialOf(secrets, at)?.versions ?? [];
  const latest = before.find(({ revoked }) => revoked !== true);
  const kept = latest === undefined || keepUntilMs === undefined ? [] : [keptUntil(latest, keepUntilMs)];
  // Revoked ones stay until the chain says so too: they have no value any more.
  const revoked = before.filter((older) => older.revoked === true);
  const versions = [version, ...[...kept, ...revoked].sort((a, b) => b.number - a.number)].slice(0, MAX_VERSIONS);
  return withCredential(secrets, at.name, { label: at.label, versions });
}

/** With the value of a version erased, or of all of a credential: nothing uses it any more, and the chain may not know. */
export function withRevoked(secrets: Secrets, at: CredentialName, number?: number): Secrets {
  const credential = credentialOf(secrets, at);
  if (credential === undefined) return secrets;
  const { refused: _, ...rest } = credential;
  const versions = credential.versions.map((version) =>
    number === undefined || version.number === number
      ? { ...version, revoked: true as const, value: new Uint8Array(0) }
      : version,
  );
  return withCredential(secrets, at.name, { ...(number === undefined ? rest : credential), versions });
}

/** Without these versions; a credential without versions goes, and a secret without credentials. */
export function without(secrets: Secrets, at: CredentialName, gone: (version: SecretVersion) => boolean): Secrets {
  const credential = credentialOf(secrets, at);
  if (credential === undefined) return secrets;
  const versions = credential.versions.filter((version) => !gone(version));
  if (versions.length > 0) return withCredential(secrets, at.name, { ...credential, versions });
  const credentials = secrets[at.name]!.credentials.filter((other) => other !== credential);
  const { [at.name]: _, ...others } = secrets;
  return credentials.length === 0 ? others : { ...others, [at.name]: { credentials } };
}

/** With what is known of a credential's refusal, or with nothing of it. */
export function withRefusal(secrets: Secrets, at: CredentialName, refused: Refusal | undefined): Secrets {
  const credential = credentialOf(secrets, at);
  if (credential === undefined) return secrets;
  const { refused: _, ...rest } = credential;
  return withCredential(secrets, at.name, refused === undefined ? rest : { ...rest, refused });
}

/** In the place of the one of its label, or after all others. */
function withCredential(secrets: Secrets, name: string, credential: Credential): Secrets {
  const present = Object.hasOwn(secrets, name) ? secrets[name]!.credentials : [];
  const found = present.some(({ label }) => label === credential.label);
  if (present.length === 0 && Object.keys(secrets).length >= MAX_SECRETS) throw full(`${MAX_SECRETS} secrets`);
  if (!found && present.length >= MAX_CREDENTIALS) throw full(`${MAX_CREDENTIALS} credentials of ${name}`);
  const credentials = found
    ? present.map((other) => (other.label === credential.label ? credential : other))
    : [...present, credential];
  return { ...secrets, [name]: { credentials } };
}

function keptUntil(version: SecretVersion, untilMs: number): SecretVersion {
  return { ...version, expiresMs: Math.min(version.expiresMs ?? untilMs, untilMs) };
}

function full(what: string): AntsError {
  return new AntsError("secrets-full", `a vault holds at most ${what}`, {
    hint: "remove what is not used: ants secret list, ants secret rm NAME",
  });
}
