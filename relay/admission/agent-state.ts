import type { Did } from "../../keys/did.js";
import { type ChainEvent, type ChainView, headAfterRotation, judge } from "../../src/protocol/chain.js";
import type { AgentUpdate, IndexReader, TreeChange } from "../index/index-group.js";
import type { IdentityView } from "./identity-view.js";

/** One event of an agent's tree, with where its line is. */
export interface PlacedEvent extends ChainEvent {
  readonly position: number;
}

/** The newest promise, or a claim that rose above it. */
export interface Binding {
  readonly epoch: number;
  readonly key: string;
  /** The promise's hash, or the claim's id: the identical line again is the same promise. */
  readonly line: string;
  readonly position: number;
  /** Who holds it; absent for a claim whose body was pruned. */
  readonly instance?: string;
}

/** A hand-over on the chain, and the instance that it names; a type, since records hold no interfaces. */
type PlacedHandover = { readonly id: string; readonly successor: string };

/** They are written with every group that touches the agent. What is older is an unknown one: the holder's courtesy. */
const MAX_HANDOVERS = 8;

/** What of an agent is neither its tree nor its newest promise; stored whole with its record. */
export interface AgentDetails {
  /** Positions of its identity operations, in the order of their arrival. */
  readonly operations: readonly number[];
  readonly binding?: Binding;
  /** Events in the tree. 0: the relay does not host this agent. */
  readonly events: number;
  /** Highest seq in the tree; -1 where it is empty. */
  readonly maxSeq: number;
  /** Events addressed to hosted agents that arrived before this author's own chain did. */
  readonly foreign: number;
  /** Lines stored without their body. */
  readonly pruned: number;
  /** The hand-overs that were the head, the newest first: a few, so that a used one is known as such. */
  readonly handovers?: readonly PlacedHandover[];
  /** Some operation lists handles. */
  readonly listsHandles?: true;
}

export const NO_DETAILS: AgentDetails = { operations: [], events: 0, maxSeq: -1, foreign: 0, pruned: 0 };

/**
 * One agent while frames about it are being judged: what the index holds of it plus what was admitted since. What it
 * shows may be ahead of the disk, so only admission looks here; readers are served from the index.
 */
export class AgentState implements ChainView {
  readonly did: Did;
  readonly no: number;
  readonly keys: IdentityView;
  details: AgentDetails;

  readonly #index: IndexReader;
  /** Not indexed yet: by seq, each with the log position that put it into the tree. */
  readonly #recent = new Map<number, { readonly event: PlacedEvent; readonly since: number }[]>();
  /** Where the path to the head differs from the indexed one: seq → id, and the log position that made it so. */
  readonly #path = new Map<number, { readonly id: string; readonly since: number }>();
  readonly #foreign = new Map<string, PlacedEvent[]>();
  #head: PlacedEvent | undefined;
  #superseded = 0;
  #changes: TreeChange[] = [];
  #names: string[] = [];

  constructor(no: number, did: Did, details: AgentDetails, keys: IdentityView, index: IndexReader) {
    this.no = no;
    this.did = did;
    this.details = details;
    this.keys = keys;
    this.#index = index;
    const head = index.agent(did)?.head;
    this.#head = head === undefined ? undefined : this.find(head.id, head.seq);
  }

  get hosted(): boolean {
    return this.details.events > 0;
  }

  get head(): PlacedEvent | undefined {
    return this.#head;
  }

  /** Events that were taken off the chain since this state was read: to do so takes the time of walking along them. */
  get superseded(): number {
    return this.#superseded;
  }

  get promised(): number {
    return this.binding?.epoch ?? 0;
  }

  /** The promise or claim that binds now: promises and claims of keys that were rotated away no longer count. */
  get binding(): Binding | undefined {
    const { binding } = this.details;
    return binding !== undefined && this.keys.isLive(binding.key) ? binding : undefined;
  }

  idsAt(epoch: number, seq: number, limit: number): readonly string[] {
    if (seq > this.details.maxSeq) return [];
    const ids = this.#index.eventsIn(this.no, epoch, seq, limit).map(({ id }) => id);
    const recent = this.#recent.get(seq) ?? [];
    for (let i = recent.length - 1; i >= 0 && ids.length < limit; i--) {
      const { event } = recent[i]!;
      if (event.epoch === epoch && !ids.includes(event.id)) ids.push(event.id);
    }
    return ids;
  }

  find(id: string, seq: number): PlacedEvent | undefined {
    if (this.#head?.id === id) return this.#head;
    if (seq > this.details.maxSeq) return undefined;
    const recent = this.#recent.get(seq)?.find(({ event }) => event.id === id);
    if (recent !== undefined) return recent.event;
    const stored = this.#index.find(this.no, seq, id);
    if (stored === undefined) return undefined;
    const { prev, ...event } = stored;
    return prev === undefined ? event : { ...event, prev };
  }

  onChain(id: string, seq: number): boolean {
    if (this.#head === undefined || seq > this.#head.seq) return false;
    if (seq === this.#head.seq) return this.#head.id === id;
    return (this.#path.get(seq)?.id ?? this.#index.chainAt(this.no, seq)?.id) === id;
  }

  /** Puts a judged event into the tree, and after it the foreign events that now have their place. */
  place(event: PlacedEvent, movesHead: boolean, instance?: string): void {
    const since = event.position;
    this.#take(event, movesHead, since, instance);
    if (this.details.foreign > 0) this.#adoptAfter(event, since);
  }

  /** @param since the log position that is the reason: the event's own, or that of the event which a foreign one waited for */
  #take(event: PlacedEvent, movesHead: boolean, since: number, instance?: string): void {
    this.#remember(event, since);
    const { details } = this;
    this.details = { ...details, events: details.events + 1, maxSeq: Math.max(details.maxSeq, event.seq) };
    this.#changes.push({ op: "place", agentNo: this.no, ...event, movesHead });
    if (movesHead) this.#moveHead(event, since);
    if (event.claim && this.keys.isLive(event.key) && this.#isBinding(event, movesHead, instance)) {
      const { epoch, key, id, position } = event;
      this.bind({ epoch, key, line: id, position, ...(instance === undefined ? {} : { instance }) });
    }
    if (this.keys.rotations > 0) this.#leaveVoid(since);
  }

  /**
   * Whether a claim says anew who holds the pen: one of a higher epoch than any promise, or of the promised epoch by
   * another instance than was promised here. That one has its promises elsewhere, and is at work from now on.
   */
  #isBinding({ epoch }: PlacedEvent, movesHead: boolean, instance: string | undefined): boolean {
    if (epoch !== this.promised) return epoch > this.promised;
    return movesHead && instance !== undefined && instance !== this.binding?.instance;
  }

  /** A full line arrived for an event that was stored without its body: the same place, a new position. */
  replace(event: PlacedEvent): void {
    this.details = { ...this.details, pruned: this.details.pruned - 1 };
    this.#remember(event, event.position);
    if (this.#head?.id === event.id) this.#head = event;
    this.#changes.push({ op: "place", agentNo: this.no, ...event, movesHead: false });
  }

  /** Keeps an event addressed to a hosted agent, whose author's chain is not here, outside the tree. */
  placeForeign(event: PlacedEvent): void {
    const prev = event.prev ?? "";
    const after = this.#foreign.get(prev);
    if (after === undefined) this.#foreign.set(prev, [event]);
    else after.push(event);
    this.details = { ...this.details, foreign: this.details.foreign + 1 };
    this.#changes.push({ op: "foreign", agentNo: this.no, ...event, prev });
  }

  countPruned(): void {
    this.details = { ...this.details, pruned: this.details.pruned + 1 };
  }

  bind(binding: Binding): void {
    this.details = { ...this.details, binding };
  }

  /** The new head is a hand-over. */
  handOver(id: string, successor: string): void {
    const { handovers = [] } = this.details;
    this.details = { ...this.details, handovers: [{ id, successor }, ...handovers].slice(0, MAX_HANDOVERS) };
  }

  /** Takes an identity operation that `keys` has into account; the head leaves a chain that a rotate made void. */
  identify(position: number, listsHandles: boolean): void {
    const operations = [...this.details.operations, position];
    this.details = { ...this.details, operations, ...(listsHandles ? { listsHandles: true } : {}) };
    this.#leaveVoid(position);
  }

  /** The agent is found by this name from now on. */
  name(name: string): void {
    this.#names.push(name);
  }

  /** The changes since the last call, and the record as it is after them: what the next group writes to the index. */
  takeChanges(): { readonly update: AgentUpdate; readonly tree: readonly TreeChange[] } {
    const tree = this.#changes;
    this.#changes = [];
    const names = this.#names;
    this.#names = [];
    const { binding } = this;
    return {
      update: {
        no: this.no,
        did: this.did,
        promised: { epoch: binding?.epoch ?? 0, position: binding?.position ?? 0 },
        details: { ...this.details, binding: this.details.binding === undefined ? false : { ...this.details.binding } },
        ...(names.length === 0 ? {} : { names }),
      },
      tree,
    };
  }

  /** The index now answers for everything up to this position. Returns whether nothing newer is left here. */
  settle(position: number): boolean {
    for (const [seq, placed] of this.#recent) {
      const left = placed.filter(({ since }) => since > position);
      if (left.length === 0) this.#recent.delete(seq);
      else if (left.length < placed.length) this.#recent.set(seq, left);
    }
    for (const [seq, { since }] of this.#path) if (since <= position) this.#path.delete(seq);
    for (const [prev, events] of this.#foreign) {
      if (events.every((event) => event.position <= position)) this.#foreign.delete(prev);
    }
    return this.#recent.size === 0 && this.#path.size === 0 && this.#foreign.size === 0;
  }

  #remember(event: PlacedEvent, since: number): void {
    const recent = this.#recent.get(event.seq);
    if (recent === undefined) this.#recent.set(event.seq, [{ event, since }]);
    else recent.unshift({ event, since });
  }

  #moveHead(to: PlacedEvent, since: number): void {
    const from = this.#head;
    let at: PlacedEvent | undefined = to;
    while (at !== undefined && at.id !== from?.id && !this.onChain(at.id, at.seq)) {
      this.#path.set(at.seq, { id: at.id, since });
      at = at.prev === undefined ? undefined : at.prev === from?.id ? from : this.find(at.prev, at.seq - 1);
    }
    if (from !== undefined) this.#superseded += from.seq - (at?.seq ?? -1);
    this.#head = to;
  }

  /**
   * A work list, since strangers decide how long a chain of foreign events is: a call for each would end at the stack's
   * depth. An event's own followers come before those beside it, as in every earlier replay of the same log.
   */
  #adoptAfter(parent: PlacedEvent, since: number): void {
    const next = this.#waitingFor(parent);
    for (let child = next.pop(); child !== undefined; child = next.pop()) {
      if (this.find(child.id, child.seq) !== undefined) continue;
      const verdict = judge(this, Number.POSITIVE_INFINITY, child);
      if (verdict.kind !== "store") continue;
      this.details = { ...this.details, foreign: this.details.foreign - 1 };
      this.#take(child, verdict.movesHead, since);
      for (const grandchild of this.#waitingFor(child)) next.push(grandchild);
    }
  }

  /** The foreign events that follow this one, the last to arrive first. */
  #waitingFor(parent: PlacedEvent): PlacedEvent[] {
    const events: PlacedEvent[] = [];
    const indexed = this.#index.foreignAfter(this.no, parent.id);
    for (const { position, epoch, seq, id, key, claim } of [...indexed, ...(this.#foreign.get(parent.id) ?? [])]) {
      events.push({ position, epoch, seq, id, prev: parent.id, key, claim });
    }
    return events.reverse();
  }

  #leaveVoid(since: number): void {
    const head = headAfterRotation(this);
    if (head?.id === this.#head?.id) return;
    const to = head === undefined ? undefined : this.find(head.id, head.seq);
    this.#changes.push({
      op: "head",
      agentNo: this.no,
      ...(to === undefined ? {} : { to: { seq: to.seq, id: to.id } }),
    });
    if (to === undefined) this.#head = undefined;
    else this.#moveHead(to, since);
  }
}

/** Reads back what {@link AgentState.takeChanges} wrote. */
export function readDetails(stored: { readonly [key: string]: unknown }): AgentDetails {
  const { binding, ...rest } = stored as unknown as Omit<AgentDetails, "binding"> & { binding: Binding | false };
  return binding === false ? rest : { ...rest, binding };
}
