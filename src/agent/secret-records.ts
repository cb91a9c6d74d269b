import type { JsonObject } from "../../keys/canonical.js";
import { CREDENTIAL_LABEL, SECRET_NAME, type SecretVersion } from "../../keys/node/vault-secrets.js";

/** Private events that say which version of a secret counts: never a value, and nothing that was derived from one. */
export const SECRET_KIND = "ants.secret";
/** Private events that say what somebody has to look after. */
export const ALARM_KIND = "ants.alarm";

/**
 * What happened to one version of a credential. `set`: the first of its label. `rotated`: it takes the place of all
 * before it. `revoked`: this version is never to be used again. `removed`: nor is any up to this one.
 */
export interface SecretRecord {
  readonly name: string;
  readonly label: string;
  readonly version: number;
  /** The version's random id, see {@link SecretVersion}. */
  readonly id: string;
  readonly state: "set" | "rotated" | "revoked" | "removed";
  /** `rotated`: the version before may be used until then, milliseconds since 1970. */
  readonly keepUntilMs?: number;
}

/** A credential that a service did not take: which version of which. */
export type AlarmRecord = Pick<SecretRecord, "name" | "label" | "version" | "id">;

/** How the chain stands to a version that a vault holds. */
export type Standing =
  /** The newest that the chain names. */
  | "current"
  /** Replaced, and still allowed for a while. */
  | "kept"
  /** Newer than all that the chain names: put in by a run that could not record it. */
  | "unrecorded"
  /** The chain names a newer one, or another one of this number: the vault is an old copy. */
  | "stale"
  /** The chain says that it is never to be used again. */
  | "revoked";

interface ChainPlace {
  readonly epoch: number;
  readonly seq: number;
}

const NOWHERE: ChainPlace = { epoch: 0, seq: -1 };

type VersionName = Pick<SecretVersion, "number" | "id">;

interface Entry {
  /** Ids by version number; two where two copies of a vault made one each. */
  readonly ids: Map<number, Set<string>>;
  readonly revoked: Set<string>;
  /** Until when the version before this one may be used. */
  readonly keptUntilMs: Map<number, number>;
  newest: number;
  removedUpTo: number;
}

/**
 * All that is known of the versions of an agent's secrets, from the records of its chain. Records only ever add to
 * what is not to be used, and numbers are never used twice, so their order is of no matter and what one relay told
 * more than another only makes it stricter.
 */
export class SecretLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #alarms = new Set<string>();
  /** Places of the newest record that opened, and of the newest one that did not. */
  #opened: ChainPlace = NOWHERE;
  #sealed: ChainPlace = NOWHERE;

  add(record: SecretRecord): void {
    const { name, label, version, id, state } = record;
    const key = `${name} ${label}`;
    const entry = this.#entries.get(key) ?? {
      ids: new Map(),
      revoked: new Set(),
      keptUntilMs: new Map(),
      newest: 0,
      removedUpTo: 0,
    };
    this.#entries.set(key, entry);
    entry.ids.set(version, (entry.ids.get(version) ?? new Set()).add(id));
    if (state === "revoked") entry.revoked.add(`${version} ${id}`);
    else entry.newest = Math.max(entry.newest, version);
    if (state === "removed") entry.removedUpTo = Math.max(entry.removedUpTo, version);
    if (state === "rotated" && record.keepUntilMs !== undefined) entry.keptUntilMs.set(version, record.keepUntilMs);
  }

  addAlarm({ name, label, version, id }: AlarmRecord): void {
    this.#alarms.add(`${name} ${label} ${version} ${id}`);
  }

  /** A record was read at this place of the chain, and the vault's keys opened it or did not. */
  read(place: ChainPlace, opened: boolean): void {
    if (opened && isAfter(place, this.#opened)) this.#opened = { epoch: place.epoch, seq: place.seq };
    if (!opened && isAfter(place, this.#sealed)) this.#sealed = { epoch: place.epoch, seq: place.seq };
  }

  /**
   * The newest record is sealed under a key that this vault lacks: it was written after a rotation of the identity, the
   * vault is older, and what was said of its secrets since then is not known.
   */
  get isUnreadable(): boolean {
    return isAfter(this.#sealed, this.#opened);
  }

  /** The highest number that any version of this label ever had; 0 where there was none. */
  newest(name: string, label: string): number {
    const entry = this.#entries.get(`${name} ${label}`);
    return entry === undefined ? 0 : Math.max(...entry.ids.keys());
  }

  hasAlarm(name: string, label: string, version: VersionName): boolean {
    return this.#alarms.has(`${name} ${label} ${version.number} ${version.id}`);
  }

  standing(name: string, label: string, { number, id }: VersionName, nowMs: number): Standing {
    const entry = this.#entries.get(`${name} ${label}`);
    if (entry === undefined) return "unrecorded";
    if (entry.revoked.has(`${number} ${id}`) || number <= entry.removedUpTo) return "revoked";
    if (number > this.newest(name, label)) return "unrecorded";
    if (entry.ids.get(number)?.has(id) !== true) return "stale";
    if (number >= entry.newest) return "current";
    // The one that follows says for how long this one is kept.
    const next = Math.min(...[...entry.ids.keys()].filter((other) => other > number));
    const until = next === entry.newest ? entry.keptUntilMs.get(next) : undefined;
    return until !== undefined && nowMs < until ? "kept" : "stale";
  }
}

function isAfter(a: ChainPlace, b: ChainPlace): boolean {
  return a.epoch - b.epoch > 0 || (a.epoch === b.epoch && a.seq > b.seq);
}

export function recordToBody({ name, label, version, id, state, keepUntilMs }: SecretRecord): JsonObject {
  return { name, label, version, id, state, ...(keepUntilMs === undefined ? {} : { keepUntilMs }) };
}

/** A body as a record; undefined for one of another form, as a newer version may write. */
export function recordOfBody(body: JsonObject): SecretRecord | undefined {
  const version = versionOfBody(body);
  const { state, keepUntilMs } = body;
  if (version === undefined) return undefined;
  if (state !== "set" && state !== "rotated" && state !== "revoked" && state !== "removed") return undefined;
  if (keepUntilMs !== undefined && typeof keepUntilMs !== "number") return undefined;
  return { ...version, state, ...(keepUntilMs === undefined ? {} : { keepUntilMs }) };
}

export function alarmToBody(alarm: AlarmRecord, atMs: number): JsonObject {
  const { name, label, version, id } = alarm;
  return { alarm: "credential-refused", name, label, version, id, atMs };
}

/** A body as the alarm about a credential; undefined for one of another form. */
export function alarmOfBody(body: JsonObject): AlarmRecord | undefined {
  return body.alarm === "credential-refused" ? versionOfBody(body) : undefined;
}

function versionOfBody({ name, label, version, id }: JsonObject): AlarmRecord | undefined {
  if (typeof name !== "string" || !SECRET_NAME.test(name)) return undefined;
  if (typeof label !== "string" || !CREDENTIAL_LABEL.test(label)) return undefined;
  if (typeof version !== "number" || version < 1 || typeof id !== "string") return undefined;
  return { name, label, version, id };
}
