import { AntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { OperationSet } from "../../keys/identity/operation-set.js";
import { judge } from "../../src/protocol/chain.js";
import { MAX_EPOCH_LEAP, MAX_SIBLINGS } from "../../src/protocol/limits.js";
import type { AgentUpdate, IndexEntry, IndexGroup, IndexReader, TreeChange } from "../index/index-group.js";
import { escrowName } from "../index/names.js";
import type { VerifiedEntry, VerifiedEvent, VerifiedOperation, VerifiedPromise } from "../verified-frame.js";
import { AgentState, NO_DETAILS, type PlacedEvent, readDetails } from "./agent-state.js";
import { whyEraFull } from "./era-room.js";
import { isOutOfReach, MAX_FOREIGN_EVENTS } from "./foreign-room.js";
import { handoverStanding } from "./handed-over.js";
import { HandleBook, type HandleRules } from "./handle-book.js";
import type { Holders } from "./holders.js";
import { IdentityView } from "./identity-view.js";
import { OperationRun } from "./operation-run.js";
import { type Outcome, pointOf, refused, type Sender } from "./outcome.js";

export interface AdmissionOptions {
  readonly index: IndexReader;
  readonly holders: Holders;
  /** This relay's stream: a promise is given under it and no other. */
  readonly stream: string;
  /** Parses the committed identity operation at a position. */
  readonly operationAt: (position: number) => ParsedOperation;
  /** Updates between two rotates, on all branches. */
  readonly maxOperationsPerEra: number;
  /** Whether the committed event at a position was stored without its body. */
  readonly prunedAt: (position: number) => boolean;
  /** Without them no handle is refused. */
  readonly handles?: HandleRules;
  /** This relay's wall clock, by which dropped handles are kept. */
  readonly nowMs: () => number;
}

const NO_HANDLES: HandleRules = { host: () => undefined, reserved: new Set(), perAgent: 0 };

/** Agents kept in memory; the others are read back from the index when they are needed. */
const MAX_AGENTS_IN_MEMORY = 4_096;

/**
 * Decides what enters the relay's log, and derives from the log everything the index holds. Synchronous and without
 * I/O of its own: entries get their positions here, in the order of the calls, and {@link closeGroup} hands over what
 * the caller then makes durable. Replaying the log through {@link replay} derives the same state.
 */
export class Admission {
  readonly #index: IndexReader;
  readonly #options: AdmissionOptions;
  readonly #agents = new Map<string, AgentState>();
  /** Operations, promises and foreign events that are admitted but not indexed: id → position. */
  readonly #recentIds = new Map<string, number>();
  #next: number;
  #nextAgentNo: number;
  #first: number;
  #entries: IndexEntry[] = [];
  #touched = new Set<AgentState>();
  /** Agents with changes in closed groups that the index has not taken in. */
  readonly #unsettled = new Set<AgentState>();
  readonly #book: HandleBook;

  /** The position of the entry admitted last: as many lines must be in the log when the group is closed. */
  get lastPosition(): number {
    return this.#next - 1;
  }

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#index = options.index;
    this.#next = options.index.appliedPosition + 1;
    this.#first = this.#next;
    this.#nextAgentNo = options.index.nextAgentNo;
    const { index, handles: rules = NO_HANDLES, nowMs } = options;
    this.#book = new HandleBook({ index, rules, nowMs, agent: (did) => this.agent(did) });
  }

  /** The agent as admission sees it, which may be ahead of the disk; undefined where nothing of it is here. */
  agent(did: string): AgentState | undefined {
    const known = this.#agents.get(did);
    if (known !== undefined) {
      this.#agents.delete(did);
      this.#agents.set(did, known);
      return known;
    }
    const record = this.#index.agent(did);
    if (record === undefined) return undefined;
    const details = readDetails(record.details);
    const operations = new OperationSet(record.did, details.operations.map(this.#options.operationAt));
    const keys = new IdentityView(operations);
    return this.#remember(new AgentState(record.no, record.did, details, keys, this.#index));
  }

  /** Judges one line of a publish frame. */
  admit(entry: VerifiedEntry, sender: Sender): Outcome {
    switch (entry.type) {
      case "event":
        return this.#admitEvent(entry, sender);
      case "identity":
        return this.#admitOperation(entry, sender.run ?? new OperationRun([entry.operation]));
      case "promise":
        return refused("bad-frame", "a promise is asked for in a frame of its own");
    }
  }

  /** Judges a request to promise an epoch (docs/protocol.md, "The pen"). */
  promise(entry: VerifiedPromise): Outcome {
    const state = this.agent(entry.did);
    if (state === undefined) return refused("identity-needed", `nothing is known here of ${entry.did}`);
    const extras = { ...pointOf(state), promised: state.promised };
    if (entry.stream !== this.#options.stream) {
      return refused("wrong-stream", `this relay's stream is ${this.#options.stream}, not ${entry.stream}`, extras);
    }
    if (state.keys.rotationsOf(entry.key) === undefined) {
      return refused("identity-needed", `no operation known here names the key ${entry.key}`, extras);
    }
    if (state.keys.deactivated || !state.keys.isLive(entry.key)) {
      return refused("key-not-live", `the key ${entry.key} is no live key of ${entry.did}`, extras);
    }
    const { binding } = state;
    if (binding !== undefined && binding.line === entry.id) return { kind: "duplicate", position: binding.position };
    const handover = handoverStanding(state, entry);
    if (handover === "used") {
      return refused("handover-used", "the chain went on since that hand-over: it was for one claim", extras);
    }
    if (entry.epoch <= state.promised) {
      return refused("fenced", `epoch ${entry.epoch} is not above ${state.promised}, which was promised here`, extras);
    }
    // A claim after a rotate is above the anchor, however few epochs were promised here to the new keys.
    const floor = Math.max(state.promised, state.keys.anchorOf(state.keys.rotations)?.epoch ?? 0);
    if (entry.epoch > floor + MAX_EPOCH_LEAP) {
      return refused("epoch-order", `epoch ${entry.epoch} is more than ${MAX_EPOCH_LEAP} above ${floor}`, extras);
    }
    const { instance } = binding ?? {};
    const mayDisplace = entry.takeover || entry.after === instance || handover === "valid";
    if (instance !== undefined && instance !== entry.instance && !mayDisplace) {
      const seenMs = this.#options.holders.seenMs(entry.did, instance);
      if (seenMs !== undefined) {
        return refused("held", `instance ${instance} holds the pen and was here ${seenMs} ms ago`, {
          ...extras,
          holder: instance,
          seenMs,
        });
      }
    }
    const position = this.#append(state, { id: entry.id, type: "promise", agentNo: state.no });
    this.#applyPromise(state, entry, position);
    return { kind: "stored", position };
  }

  /** Derives the state that follows from one committed entry; the log is read in order from the index's position on. */
  replay(entry: VerifiedEntry, position: number): void {
    if (position !== this.#next) {
      throw new AntsError("log-damaged", `the log was read at position ${position} where ${this.#next} was due`);
    }
    if (entry.type === "identity") {
      const state = this.agent(entry.did) ?? this.#newAgent(entry.did, new IdentityView(new OperationSet(entry.did)));
      this.#takeOperation(state, entry.operation);
      return;
    }
    const state = this.agent(entry.did);
    if (state === undefined) {
      throw new AntsError(
        "log-damaged",
        `position ${position} is about ${entry.did}, whose identity is not in the log`,
      );
    }
    if (entry.type === "promise") {
      this.#append(state, { id: entry.id, type: "promise", agentNo: state.no });
      this.#applyPromise(state, entry, position);
      return;
    }
    const verdict = judge(state, Number.POSITIVE_INFINITY, entry);
    this.#appendEvent(state, entry);
    if (verdict.kind === "store") this.#place(state, entry, position, verdict.movesHead);
    else if (verdict.kind === "duplicate") state.replace(placed(entry, position));
    else this.#placeForeign(state, entry, position);
  }

  /** Everything admitted since the last call, as the index will take it; undefined where that is nothing. */
  closeGroup(): IndexGroup | undefined {
    if (this.#entries.length === 0) return undefined;
    const agents: AgentUpdate[] = [];
    const tree: TreeChange[] = [];
    for (const state of this.#touched) {
      const changes = state.takeChanges();
      agents.push(changes.update);
      // One by one: what a single frame adopts is more than a call takes arguments.
      for (const change of changes.tree) tree.push(change);
    }
    const group = { first: this.#first, entries: this.#entries, agents, tree, ...this.#book.takeChanges() };
    for (const state of this.#touched) this.#unsettled.add(state);
    this.#first = this.#next;
    this.#entries = [];
    this.#touched = new Set();
    return group;
  }

  /** The index has taken in everything up to this position. */
  settle(position: number): void {
    for (const [id, at] of this.#recentIds) if (at <= position) this.#recentIds.delete(id);
    this.#book.settle(position);
    for (const state of this.#unsettled) if (state.settle(position)) this.#unsettled.delete(state);
    for (const [did, state] of this.#agents) {
      if (this.#agents.size <= MAX_AGENTS_IN_MEMORY) break;
      if (!this.#unsettled.has(state) && !this.#touched.has(state)) this.#agents.delete(did);
    }
  }

  #admitEvent(event: VerifiedEvent, sender: Sender): Outcome {
    const state = this.agent(event.did);
    if (state === undefined) return refused("identity-needed", `nothing is known here of ${event.did}`);
    const stated = sender.epoch ?? Number.POSITIVE_INFINITY;
    if (!state.hosted && !(event.claim && event.seq === 0)) return this.#admitForeign(state, event);

    const verdict = judge(state, stated, event);
    if (verdict.kind === "duplicate") return this.#duplicate(state, event);
    if (verdict.kind === "refuse") {
      const { code, message, forkOf } = verdict;
      return refused(code, message, {
        ...pointOf(state),
        promised: state.promised,
        ...(forkOf === undefined ? {} : { forkOf }),
      });
    }
    if (verdict.forkOf !== undefined && !verdict.movesHead && isCrowded(state, event)) {
      return refused("fork", `epoch ${event.epoch}, seq ${event.seq} already holds ${MAX_SIBLINGS} events`, {
        ...pointOf(state),
        promised: state.promised,
        forkOf: verdict.forkOf,
      });
    }
    if (event.identity !== undefined && !state.keys.has(event.identity)) {
      return refused("identity-needed", `the claim was made under operation ${event.identity}, which is not here`);
    }
    if (event.pruned && (sender.author !== event.did || event.epoch >= stated)) {
      return refused(
        "pruned-line",
        "a line without its body is taken from its authenticated author in a backfill only",
      );
    }
    const position = this.#appendEvent(state, event);
    this.#place(state, event, position, verdict.movesHead);
    return { kind: "stored", position };
  }

  /** An event of an agent whose chain is not here: taken when it is addressed to somebody whose chain is. */
  #admitForeign(state: AgentState, event: VerifiedEvent): Outcome {
    const known = this.#recentIds.get(event.id) ?? this.#index.byId(event.id);
    if (known !== undefined) return { kind: "duplicate", position: known };
    if (state.details.foreign >= MAX_FOREIGN_EVENTS) {
      return refused(
        "gap",
        `${MAX_FOREIGN_EVENTS} events of this agent wait here for its chain: send the chain from seq 0, which is a claim`,
      );
    }
    if (isOutOfReach(event)) {
      return refused("epoch-order", `no chain gets to epoch ${event.epoch} at seq ${event.seq}`);
    }
    if (!event.to.some((did) => this.agent(did)?.hosted === true)) {
      return refused("gap", "this relay does not hold this agent's chain: send it from seq 0, which is a claim");
    }
    if (state.keys.rotationsOf(event.key) === undefined) {
      return refused("identity-needed", `no operation known here names the key ${event.key}`);
    }
    if (state.keys.deactivated || !state.keys.isLive(event.key)) {
      return refused("key-not-live", `the key ${event.key} is no live key of ${event.did}`);
    }
    if (event.pruned) return refused("pruned-line", "a delivery to another agent carries its body");
    const position = this.#appendEvent(state, event);
    this.#placeForeign(state, event, position);
    return { kind: "stored", position };
  }

  #duplicate(state: AgentState, event: VerifiedEvent): Outcome {
    const stored = state.find(event.id, event.seq);
    if (stored === undefined) throw new AntsError("internal", `event ${event.id} is in no tree that has it`);
    if (event.pruned || state.details.pruned === 0 || stored.position >= this.#first) {
      return { kind: "duplicate", position: stored.position };
    }
    if (!this.#options.prunedAt(stored.position)) return { kind: "duplicate", position: stored.position };
    const position = this.#appendEvent(state, event);
    state.replace(placed(event, position));
    return { kind: "stored", position };
  }

  #admitOperation(entry: VerifiedOperation, run: OperationRun): Outcome {
    const { operation } = entry;
    const known = this.agent(entry.did);
    const keys = known?.keys ?? new IdentityView(new OperationSet(entry.did));
    const { operations } = keys;
    if (operations.get(entry.id) !== undefined) {
      const position = this.#recentIds.get(entry.id) ?? this.#index.byId(entry.id);
      if (position === undefined) throw new AntsError("internal", `operation ${entry.id} has no position`);
      return { kind: "duplicate", position };
    }
    const { op } = operation;
    const parent = op.op === "genesis" ? undefined : operations.get(op.prev);
    if (op.op !== "genesis" && parent === undefined) {
      return refused(
        "identity-needed",
        `operation ${op.prev}, which this one follows, is not here: send the whole log`,
      );
    }
    if (op.op === "update" && parent !== undefined) {
      const full = whyEraFull(parent, op.over !== undefined, this.#options.maxOperationsPerEra);
      if (full !== undefined) return refused("identity-era-full", full);
    }
    const reason = keys.objection(operation);
    if (reason !== undefined) return refused(reason.code, reason.message);
    if (op.op === "genesis" || op.op === "update") {
      const rules = { book: this.#book, maxUpdates: this.#options.maxOperationsPerEra };
      const objection = run.objection(operation, operations, rules);
      if (objection !== undefined) return refused(objection.code, objection.message, { facts: objection.details });
    }
    const state = known ?? this.#newAgent(entry.did, keys);
    const position = this.#takeOperation(state, operation);
    run.stored(operation, position);
    const first = parent?.era.closings[0]?.operation;
    if (first === undefined || first.hash === entry.id || op.op === "update") return { kind: "stored", position };
    const message = `operation ${first.hash} ended this era here first; this one is kept as evidence`;
    return refused("rival", message, { kept: position });
  }

  /** Whatever follows from an operation that goes to the log, whether it is admitted now or read back. */
  #takeOperation(state: AgentState, operation: ParsedOperation): number {
    const { op, hash } = operation;
    const { operations, listsHandles = op.handles.length > 0 } = state.details;
    const before = listsHandles ? state.keys.newest : undefined;
    const parent = op.op === "genesis" ? undefined : state.keys.operations.get(op.prev)?.operation;
    const parentAt = parent && (this.#recentIds.get(parent.hash) ?? this.#index.byId(parent.hash));
    const position = this.#append(state, { id: hash, type: "identity", agentNo: state.no });
    state.keys.add(operation);
    state.identify(position, listsHandles);
    // Positions only rise: where as many of the agent's operations lie between as there are positions, nothing else does.
    const isInARow = parentAt !== undefined && operations[operations.length - (position - parentAt)] === parentAt;
    const inRow = isInARow ? { operation: parent!, position: parentAt } : undefined;
    if (listsHandles) this.#book.note(operation, position, before, inRow);
    if (op.escrow !== parent?.op.escrow) state.name(escrowName(op.escrow));
    this.#book.list(state.no, op, parent?.op, position);
    return position;
  }

  #applyPromise(state: AgentState, entry: VerifiedPromise, position: number): void {
    const { epoch, key, id, instance } = entry;
    state.bind({ epoch, key, line: id, position, instance });
  }

  #place(state: AgentState, event: VerifiedEvent, position: number, movesHead: boolean): void {
    state.place(placed(event, position), movesHead, event.instance);
    if (event.pruned) state.countPruned();
    if (movesHead && event.successor !== undefined) state.handOver(event.id, event.successor);
  }

  #placeForeign(state: AgentState, event: VerifiedEvent, position: number): void {
    this.#recentIds.set(event.id, position);
    state.placeForeign(placed(event, position));
  }

  #appendEvent(state: AgentState, { id, kind, to, tags }: VerifiedEvent): number {
    const entry = { id, type: "event" as const, agentNo: state.no, kind };
    const addressed = to.length === 0 ? entry : { ...entry, to };
    return this.#append(state, tags.length === 0 ? addressed : { ...addressed, tags });
  }

  #append(state: AgentState, entry: IndexEntry): number {
    if (entry.type !== "event") this.#recentIds.set(entry.id, this.#next);
    this.#touched.add(state);
    this.#entries.push(entry);
    return this.#next++;
  }

  #newAgent(did: VerifiedEntry["did"], keys: IdentityView): AgentState {
    return this.#remember(new AgentState(this.#nextAgentNo++, did, NO_DETAILS, keys, this.#index));
  }

  #remember(state: AgentState): AgentState {
    this.#agents.set(state.did, state);
    return state;
  }
}

/**
 * Whether there are so many events in the place of this one that another proves nothing. What a retired key signed is
 * judged by the anchor alone: a thief who filled a place would otherwise keep the owner's own event out of it.
 */
function isCrowded(state: AgentState, { epoch, seq, key }: VerifiedEvent): boolean {
  return state.keys.isLive(key) && state.idsAt(epoch, seq, MAX_SIBLINGS).length >= MAX_SIBLINGS;
}

function placed({ id, epoch, seq, prev, key, claim }: VerifiedEvent, position: number): PlacedEvent {
  return { position, id, epoch, seq, key, claim, ...(prev === undefined ? {} : { prev }) };
}
