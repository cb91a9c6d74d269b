import type {
  AgentRecord,
  ForeignEvent,
  Fork,
  HandleHold,
  IndexGroup,
  IndexReader,
  StoredEvent,
  TreeChange,
} from "../../../relay/index/index-group.js";

type Placed = Omit<StoredEvent, "onChain">;

/** The index as plain maps and walks: what admission is tested over, and what the index on disk is held against. */
export class MemoryIndex implements IndexReader {
  appliedPosition = 0;
  readonly #agents = new Map<number, AgentRecord>();
  readonly #trees = new Map<number, Placed[]>();
  readonly #heads = new Map<number, string>();
  readonly #foreign = new Map<number, ForeignEvent[]>();
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<string, Set<number>>();
  readonly handles = new Map<string, HandleHold>();
  readonly #listings = new Map<string, number[]>();

  apply(group: IndexGroup): void {
    if (group.first !== this.appliedPosition + 1) throw new Error("a hole between groups");
    for (const [i, { type, id }] of group.entries.entries()) if (type !== "event") this.#ids.set(id, group.first + i);
    for (const update of group.agents) {
      const known = this.#agents.get(update.no);
      this.#agents.set(update.no, {
        no: update.no,
        did: update.did,
        promised: update.promised,
        details: structuredClone(update.details ?? known?.details ?? {}),
      });
      for (const name of update.names ?? []) this.#names.set(name, (this.#names.get(name) ?? new Set()).add(update.no));
      for (const name of update.dropNames ?? []) this.#names.get(name)?.delete(update.no);
    }
    for (const change of group.tree) this.#change(change);
    for (const { handle, hold } of group.handles ?? []) {
      if (hold === undefined) this.handles.delete(handle);
      else this.handles.set(handle, hold);
    }
    for (const { domain, agentNo } of group.listings ?? []) {
      this.#listings.set(domain, [...(this.#listings.get(domain) ?? []), agentNo]);
    }
    this.appliedPosition += group.entries.length;
  }

  handle(handle: string): HandleHold | undefined {
    return this.handles.get(handle);
  }

  handlesOf(did: string, host: string, limit: number): string[] {
    const own = [...this.handles].filter(([handle, hold]) => hold.did === did && handle.endsWith(`@${host}`));
    return own.map(([handle]) => handle).slice(0, limit);
  }

  listersOf(domain: string, limit: number): number[] {
    return [...new Set((this.#listings.get(domain) ?? []).slice(0, limit))];
  }

  get nextAgentNo(): number {
    return this.#agents.size + 1;
  }

  agent(did: string): AgentRecord | undefined {
    for (const { no } of [...this.#agents.values()].filter((record) => record.did === did)) return this.agentByNo(no);
    return undefined;
  }

  agentByNo(no: number): AgentRecord | undefined {
    const record = this.#agents.get(no);
    const head = this.#tree(no).find(({ id }) => id === this.#heads.get(no));
    return record === undefined || head === undefined ? record : { ...record, head };
  }

  named(name: string, after = 0, limit?: number): number[] {
    return [...(this.#names.get(name) ?? [])]
      .filter((no) => no > after)
      .sort((a, b) => a - b)
      .slice(0, limit);
  }

  find(agentNo: number, seq: number, id: string): StoredEvent | undefined {
    return this.eventsAt(agentNo, seq).find((event) => event.id === id);
  }

  eventsIn(agentNo: number, epoch: number, seq: number, limit?: number): StoredEvent[] {
    return this.eventsAt(agentNo, seq)
      .filter((event) => event.epoch === epoch)
      .slice(0, limit);
  }

  eventsAt(agentNo: number, seq: number): StoredEvent[] {
    const path = this.#path(agentNo);
    return this.#tree(agentNo).flatMap((event) =>
      event.seq === seq ? [{ ...event, onChain: path.includes(event.id) }] : [],
    );
  }

  chainAt(agentNo: number, seq: number): StoredEvent | undefined {
    return this.eventsAt(agentNo, seq).find((event) => event.onChain);
  }

  chainFrom(agentNo: number, seq: number, limit: number): StoredEvent[] {
    return Array.from({ length: limit }, (_, i) => this.chainAt(agentNo, seq + i)).filter(
      (event) => event !== undefined,
    );
  }

  forks(): Fork[] {
    return [];
  }

  foreignAfter(agentNo: number, prev: string): ForeignEvent[] {
    return (this.#foreign.get(agentNo) ?? []).filter((event) => event.prev === prev);
  }

  byId(id: string): number | undefined {
    return this.#ids.get(id);
  }

  #change(change: TreeChange): void {
    if (change.op === "head") {
      if (change.to === undefined) this.#heads.delete(change.agentNo);
      else this.#heads.set(change.agentNo, change.to.id);
      return;
    }
    if (change.op === "foreign") {
      this.#foreign.set(change.agentNo, [...(this.#foreign.get(change.agentNo) ?? []), change]);
      this.#ids.set(change.id, change.position);
      return;
    }
    const { op: _, agentNo, movesHead, ...event } = change;
    const tree = this.#tree(agentNo).filter(({ id }) => id !== event.id);
    this.#trees.set(agentNo, [...tree, { prev: undefined, ...event }]);
    if (movesHead) this.#heads.set(agentNo, event.id);
  }

  #tree(agentNo: number): Placed[] {
    return this.#trees.get(agentNo) ?? [];
  }

  #path(agentNo: number): string[] {
    const tree = this.#tree(agentNo);
    const path: string[] = [];
    for (let at = this.#heads.get(agentNo); at !== undefined; at = tree.find(({ id }) => id === at)?.prev)
      path.push(at);
    return path;
  }
}
