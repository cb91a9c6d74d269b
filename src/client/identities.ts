import { assertDid } from "../../keys/did.js";
import { isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { KeyStanding } from "../../keys/identity/resolve.js";
import type { Clock } from "../../keys/ports.js";
import { CLAIM_KIND, type Event } from "../protocol/event.js";
import type { RelayConnection } from "./connection.js";
import { requestTimeout } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import { fetchIdentity } from "./identity-exchange.js";
import { IdentityLog } from "./identity-log.js";

/** What a key may do for an event: see EventItem.standing; undefined for a key that no known operation names. */
export type EventStanding = "live" | "retired" | "void" | undefined;

/** Authors whose identity logs are in memory; the others are read again when they are met. */
const MAX_LOGS = 4_096;
/** Operations that were told of; each comes once a relay and reader, so a few rounds of them are enough. */
const MAX_TOLD = 16_384;
const FETCH_TIMEOUT_MS = 10_000;

/** The identity logs of the authors that a reader meets, read from the relays that it reads. */
export class Identities {
  readonly #clock: Clock;
  readonly #logs = new Map<string, IdentityLog>();
  readonly #fetching = new Map<string, Promise<void>>();
  readonly #told = new Set<string>();
  /** Logs that stay, whoever else is met. */
  readonly #kept: ReadonlyMap<string, IdentityLog>;
  readonly #grew: (did: string) => void;

  /** `kept`: DIDs whose logs stay in memory. `grew`: called when more is known of a DID. */
  constructor(
    clock: Clock,
    operations: Iterable<ParsedOperation> = [],
    kept: Iterable<string> = [],
    grew: (did: string) => void = () => {},
  ) {
    this.#clock = clock;
    this.#kept = new Map([...kept].map((did) => [did, new IdentityLog(did)]));
    for (const operation of operations) this.logOf(operation.did).add(operation);
    this.#grew = grew;
  }

  /** Takes one more operation. True when its DID's log grew. */
  add(operation: ParsedOperation): boolean {
    const isNew = this.logOf(operation.did).add(operation);
    if (isNew) this.#grew(operation.did);
    return isNew;
  }

  /** What is known of a DID now, which may be nothing. */
  logOf(did: string): IdentityLog {
    assertDid(did);
    const kept = this.#kept.get(did);
    if (kept !== undefined) return kept;
    const known = this.#logs.get(did);
    if (known !== undefined) {
      this.#logs.delete(did);
      this.#logs.set(did, known);
      return known;
    }
    const log = new IdentityLog(did);
    this.#logs.set(did, log);
    if (this.#logs.size > MAX_LOGS) {
      for (const oldest of this.#logs.keys()) {
        this.#logs.delete(oldest);
        break;
      }
    }
    return log;
  }

  /** True once for each operation: then the consumer is told of it. */
  tell(operation: string): boolean {
    if (this.#told.has(operation)) return false;
    this.#told.add(operation);
    if (this.#told.size > MAX_TOLD) {
      for (const oldest of this.#told) {
        this.#told.delete(oldest);
        break;
      }
    }
    return true;
  }

  /** How an event's key stands as far as is known here; undefined where something would have to be read first. */
  standingNow(event: Event): EventStanding {
    if (this.#lacks(event)) return undefined;
    return standingOf(this.logOf(event.did).standingOf(event.key)!, event);
  }

  /**
   * How an event's key stands. Where the log here does not name the key, or the operation that a claim names, it is
   * read from those of these relays that are connected, one after the other, until it does.
   */
  async standing(event: Event, relays: Iterable<RelayConnection>, signal: AbortSignal): Promise<EventStanding> {
    for (const relay of relays) {
      if (!this.#lacks(event)) break;
      if (relay.status.state !== "open") continue;
      await this.read(event.did, relay, signal);
    }
    const standing = this.logOf(event.did).standingOf(event.key);
    return standing === undefined ? undefined : standingOf(standing, event);
  }

  #lacks(event: Event): boolean {
    const log = this.logOf(event.did);
    if (log.standingOf(event.key) === undefined) return true;
    const named = event.kind === CLAIM_KIND ? event.body?.identity : undefined;
    return typeof named === "string" && !log.has(named);
  }

  /**
   * Reads a DID's identity log from a relay; one read a DID and relay at a time, shared by all that wait for it. A
   * relay that fails has nothing. Rejects with the signal's reason.
   */
  read(did: string, relay: RelayConnection, signal: AbortSignal): Promise<void> {
    const key = `${did} ${relay.url}`;
    let fetching = this.#fetching.get(key);
    if (fetching === undefined) {
      const late = () => requestTimeout(relay.url, FETCH_TIMEOUT_MS);
      fetching = withDeadline(this.#clock, FETCH_TIMEOUT_MS, signal, late, async (signal) => {
        if (await fetchIdentity(relay, this.logOf(did), signal)) this.#grew(did);
      })
        .catch((error: unknown) => {
          if (signal.aborted || !isAntsError(error)) throw error;
        })
        .finally(() => this.#fetching.delete(key));
      this.#fetching.set(key, fetching);
    }
    return fetching;
  }
}

/** How an event stands, from how its key does. */
export function standingOf({ live, anchor }: KeyStanding, { epoch, seq, id }: Event): "live" | "retired" | "void" {
  if (live) return "live";
  if (anchor === undefined) return "void";
  if (seq === anchor.seq) return id === anchor.id ? "retired" : "void";
  return seq < anchor.seq && epoch <= anchor.epoch ? "retired" : "void";
}
