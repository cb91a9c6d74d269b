import type { Did } from "../../keys/did.js";
import { parseHandle } from "../../keys/identity/handle.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { IdentityOperation } from "../../keys/identity/shape.js";
import type { DomainListing, HandleChange, HandleHold, IndexGroup, IndexReader } from "../index/index-group.js";

/** A handle that its agent dropped is kept for it so long. */
export const HANDLE_RESERVE_MS = 90 * 24 * 3_600_000;
/** Handles of one operation that count here: an operation is small, but the rows that it makes are not. */
const MAX_HANDLES_HEEDED = 64;
/** Handles of one agent that are looked at to count those that are kept for it. */
const MAX_HANDLES_COUNTED = 1_024;

/** What a relay gives under its own host. */
export interface HandleRules {
  /** Host of its public URL, with the port if it is no usual one; undefined where no handle can have it. */
  readonly host: () => string | undefined;
  /** Names that nobody gets. */
  readonly reserved: ReadonlySet<string>;
  /** Names that one agent may have, dropped ones that are kept for it included. */
  readonly perAgent: number;
}

/** Why an operation does not get a handle that it lists. */
export interface HandleObjection {
  readonly code: "handle-taken" | "handle-refused";
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
}

/** An agent as far as handles go. */
interface Named {
  readonly keys: { readonly deactivated: boolean; readonly newest: ParsedOperation | undefined };
}

/** Positions of operations whose handles count for nothing, since a later one of the same sending follows them. */
type History = ReadonlySet<number>;

/**
 * With whom each handle is: first come, first served, by the order of the log alone. Only a genesis or an update gets a
 * handle; from another agent only once that one no longer lists it. The relay's clock decides nothing of this: it only
 * says what is admitted (see docs/decisions/0013-first-come-first-served.md).
 *
 * All hosts are treated alike here, so that what is derived from a log does not depend on the relay's settings.
 */
export class HandleBook {
  readonly #index: IndexReader;
  readonly #rules: HandleRules;
  readonly #agent: (did: string) => Named | undefined;
  readonly #nowMs: () => number;
  /** Not in the index yet, with the position of the operation that made it so. */
  readonly #recent = new Map<string, { readonly hold: HandleHold | undefined; readonly position: number }>();
  #changed = new Set<string>();
  #listings: DomainListing[] = [];

  constructor(options: {
    readonly index: IndexReader;
    readonly rules: HandleRules;
    readonly agent: (did: string) => Named | undefined;
    readonly nowMs: () => number;
  }) {
    this.#index = options.index;
    this.#rules = options.rules;
    this.#agent = options.agent;
    this.#nowMs = options.nowMs;
  }

  /**
   * Why this genesis or update of `did` must not be the newest one here; undefined where it may. `isForPen`: it comes with
   * a promise; then a handle that another agent lists is no reason, since {@link note} leaves it with that one.
   */
  objection(did: Did, { op }: ParsedOperation, history: History, isForPen: boolean): HandleObjection | undefined {
    const host = this.#rules.host();
    if (host === undefined) return undefined;
    const wanted: string[] = [];
    for (const handle of accountsOf(op.handles)) {
      const [name, at] = handle.split("@") as [string, string];
      if (at !== host) continue;
      const hold = withoutHistory(this.#holdOf(handle), history);
      if (hold?.did === did) continue;
      if (isForPen && hold !== undefined && this.#lists(hold.did, handle)) continue;
      if (hold !== undefined && this.#isKept(handle, hold)) return taken(handle, hold);
      if (this.#rules.reserved.has(name)) {
        return refused(handle, `${handle} is a name that this relay gives nobody`, { reason: "reserved" });
      }
      wanted.push(handle);
    }
    const [first] = wanted;
    if (first === undefined) return undefined;
    const { perAgent } = this.#rules;
    if (this.#countOf(did, host, history) + wanted.length <= perAgent) return undefined;
    const message = `one agent gets ${perAgent} names here, those included that it dropped less than 90 days ago`;
    return refused(first, message, { reason: "limit", limit: perAgent });
  }

  /** Whether the operation lists a handle of this relay's that its agent does not have yet. */
  asks(did: Did, { op }: ParsedOperation): boolean {
    const host = this.#rules.host();
    return accountsOf(op.handles).some((handle) => handle.endsWith(`@${host}`) && this.#holdOf(handle)?.did !== did);
  }

  /**
   * Takes an operation into account that went to the log at `position`. Beside the branch that counts it gets no handle.
   *
   * @param before the agent's newest operation before it
   * @param parent the operation that it follows, and where that is, if nothing but operations of this agent lies between
   */
  note(
    operation: ParsedOperation,
    position: number,
    before: ParsedOperation | undefined,
    parent: { readonly operation: ParsedOperation; readonly position: number } | undefined,
  ): void {
    const { did, op, hash } = operation;
    const { newest } = this.#agent(did)?.keys ?? {};
    const touched = new Set(accountsOf([...(before?.op.handles ?? []), ...op.handles]));
    for (const handle of accountsOf(parent?.operation.op.handles ?? [])) {
      const hold = this.#holdOf(handle);
      if (hold?.did === did && hold.at === parent!.position) this.#set(handle, hold.before, position);
    }
    if (newest?.hash === hash && (op.op === "genesis" || op.op === "update")) {
      for (const handle of accountsOf(op.handles)) {
        const hold = this.#holdOf(handle);
        if (hold?.did === did || (hold !== undefined && this.#lists(hold.did, handle))) continue;
        const { before: _, ...earlier } = hold ?? { before: undefined };
        const previous = hold === undefined ? {} : { before: earlier as Omit<HandleHold, "before"> };
        this.#set(handle, { did, at: position, ...previous }, position);
      }
    }
    for (const handle of accountsOf(newest?.op.handles ?? [])) touched.add(handle);
    for (const handle of touched) this.#markDropped(did, handle, position);
  }

  /** Notes the domains that an operation lists and its parent does not. */
  list(agentNo: number, op: IdentityOperation, parent: IdentityOperation | undefined, position: number): void {
    if (op.handles.length === 0) return;
    const listed = domainsOf(parent?.handles ?? []);
    for (const domain of domainsOf(op.handles)) {
      if (!listed.includes(domain)) this.#listings.push({ domain, agentNo, position });
    }
  }

  /** What changed since the last call. */
  takeChanges(): Pick<IndexGroup, "handles" | "listings"> {
    const handles = [...this.#changed].map((handle): HandleChange => {
      const hold = this.#holdOf(handle);
      return hold === undefined ? { handle } : { handle, hold };
    });
    const listings = this.#listings;
    this.#changed = new Set();
    this.#listings = [];
    return { ...(handles.length === 0 ? {} : { handles }), ...(listings.length === 0 ? {} : { listings }) };
  }

  /** The index now answers for everything up to this position. */
  settle(upTo: number): void {
    for (const [handle, { position }] of this.#recent) if (position <= upTo) this.#recent.delete(handle);
  }

  #holdOf(handle: string): HandleHold | undefined {
    const recent = this.#recent.get(handle);
    return recent === undefined ? this.#index.handle(handle) : recent.hold;
  }

  #set(handle: string, hold: HandleHold | undefined, position: number): void {
    this.#recent.set(handle, { hold, position });
    this.#changed.add(handle);
  }

  #markDropped(did: Did, handle: string, position: number): void {
    const hold = this.#holdOf(handle);
    if (hold === undefined || hold.did !== did) return;
    const { droppedMs, ...rest } = hold;
    const isListed = this.#lists(did, handle);
    if (isListed && droppedMs !== undefined) this.#set(handle, rest, position);
    if (!isListed && droppedMs === undefined) this.#set(handle, { ...rest, droppedMs: this.#nowMs() }, position);
  }

  #lists(did: string, handle: string): boolean {
    const keys = this.#agent(did)?.keys;
    return keys !== undefined && !keys.deactivated && keys.newest?.op.handles.includes(handle) === true;
  }

  #isKept(handle: string, { did, droppedMs }: HandleHold): boolean {
    return droppedMs === undefined || this.#lists(did, handle) || this.#nowMs() - droppedMs < HANDLE_RESERVE_MS;
  }

  #countOf(did: Did, host: string, history: History): number {
    const mine = new Set(this.#index.handlesOf(did, host, MAX_HANDLES_COUNTED));
    for (const [handle] of this.#recent) if (handle.endsWith(`@${host}`)) mine.add(handle);
    const kept = [...mine].filter((handle) => {
      const hold = withoutHistory(this.#holdOf(handle), history);
      return hold?.did === did && this.#isKept(handle, hold);
    });
    return kept.length;
  }
}

function accountsOf(handles: readonly string[]): string[] {
  return handles.slice(0, MAX_HANDLES_HEEDED).filter((handle) => parseHandle(handle)?.kind === "account");
}

/** The domains among the handles of an operation, as far as they count here. */
export function domainsOf(handles: readonly string[]): string[] {
  return handles.slice(0, MAX_HANDLES_HEEDED).filter((handle) => parseHandle(handle)?.kind === "domain");
}

function withoutHistory(hold: HandleHold | undefined, history: History): HandleHold | undefined {
  return hold !== undefined && history.has(hold.at) ? hold.before : hold;
}

function taken(handle: string, { droppedMs }: HandleHold): HandleObjection {
  if (droppedMs === undefined) {
    const message = `${handle} is another agent's here`;
    return { code: "handle-taken", message, details: { handle, reason: "listed" } };
  }
  const message = `${handle} is kept for the agent that had it before`;
  return { code: "handle-taken", message, details: { handle, reason: "kept", untilMs: droppedMs + HANDLE_RESERVE_MS } };
}

function refused(handle: string, message: string, facts: Readonly<Record<string, string | number>>): HandleObjection {
  return { code: "handle-refused", message, details: { handle, ...facts } };
}
