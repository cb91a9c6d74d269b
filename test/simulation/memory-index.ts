import type {
  AgentRecord,
  ForeignEvent,
  Fork,
  IndexGroup,
  IndexReader,
  StoredEvent,
  TreeChange,
} from "../../relay/index/index-group.js";

interface Row {
  position: number;
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
  readonly key: string;
  readonly claim: boolean;
  readonly prev: string | undefined;
  onChain: boolean;
}

interface Agent {
  record: AgentRecord;
  head: Row | undefined;
  readonly bySeq: Map<number, Row[]>;
  readonly foreign: ForeignEvent[];
}

/** A relay's index in memory, as small as it can be: what the relay's admission reads in simulations. */
export class MemoryIndex implements IndexReader {
  appliedPosition = 0;
  readonly #agents = new Map<string, Agent>();
  /** Numbers begin at 1. */
  readonly #byNo: (Agent | undefined)[] = [undefined];
  readonly #byId = new Map<string, number>();

  get nextAgentNo(): number {
    return this.#byNo.length;
  }

  agent(did: string): AgentRecord | undefined {
    const agent = this.#agents.get(did);
    if (agent === undefined) return undefined;
    const { record, head } = agent;
    if (head === undefined) return record;
    return { ...record, head: { epoch: head.epoch, seq: head.seq, id: head.id, position: head.position } };
  }

  agentByNo(no: number): AgentRecord | undefined {
    const agent = this.#byNo[no];
    return agent === undefined ? undefined : this.agent(agent.record.did);
  }

  named(): number[] {
    return [];
  }

  /** Nobody has a handle here. */
  handle(): undefined {
    return undefined;
  }

  handlesOf(): string[] {
    return [];
  }

  listersOf(): number[] {
    return [];
  }

  find(agentNo: number, seq: number, id: string): StoredEvent | undefined {
    return this.eventsAt(agentNo, seq).find((event) => event.id === id);
  }

  eventsIn(agentNo: number, epoch: number, seq: number): StoredEvent[] {
    return this.eventsAt(agentNo, seq).filter((event) => event.epoch === epoch);
  }

  eventsAt(agentNo: number, seq: number): StoredEvent[] {
    return [...(this.#byNo[agentNo]?.bySeq.get(seq) ?? [])];
  }

  chainAt(agentNo: number, seq: number): StoredEvent | undefined {
    return this.eventsAt(agentNo, seq).find(({ onChain }) => onChain);
  }

  chainFrom(agentNo: number, seq: number, limit: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (let at = seq; events.length < limit; at++) {
      const event = this.chainAt(agentNo, at);
      if (event === undefined) break;
      events.push(event);
    }
    return events;
  }

  forks(): Fork[] {
    return [];
  }

  foreignAfter(agentNo: number, prev: string): ForeignEvent[] {
    return this.#byNo[agentNo]?.foreign.filter((event) => event.prev === prev) ?? [];
  }

  byId(id: string): number | undefined {
    return this.#byId.get(id);
  }

  applyGroup(group: IndexGroup): void {
    for (const { no, did, promised, details } of group.agents) {
      const known = this.#agents.get(did);
      const record = { no, did, promised, details: details ?? known?.record.details ?? {} };
      if (known !== undefined) known.record = record;
      else {
        const agent: Agent = { record, head: undefined, bySeq: new Map(), foreign: [] };
        this.#agents.set(did, agent);
        this.#byNo[no] = agent;
      }
    }
    for (const [i, { id }] of group.entries.entries()) this.#byId.set(id, group.first + i);
    for (const change of group.tree) this.#apply(change);
    this.appliedPosition = group.first + group.entries.length - 1;
  }

  #apply(change: TreeChange): void {
    const agent = this.#byNo[change.agentNo]!;
    if (change.op === "foreign") {
      const { op: _, agentNo: __, ...event } = change;
      agent.foreign.push(event);
    } else if (change.op === "head") {
      this.#moveHead(agent, change.to && this.#row(agent, change.to.seq, change.to.id));
    } else {
      const { position, epoch, seq, id, key, claim, prev, movesHead } = change;
      const known = this.#row(agent, seq, id);
      if (known !== undefined) {
        known.position = position;
        return;
      }
      const row: Row = { position, epoch, seq, id, key, claim, prev, onChain: false };
      const rows = agent.bySeq.get(seq) ?? [];
      agent.bySeq.set(seq, rows);
      rows.push(row);
      if (movesHead) this.#moveHead(agent, row);
    }
  }

  #row(agent: Agent, seq: number, id: string): Row | undefined {
    return agent.bySeq.get(seq)?.find((row) => row.id === id);
  }

  #moveHead(agent: Agent, to: Row | undefined): void {
    let joint = to;
    for (; joint !== undefined && !joint.onChain; joint = this.#before(agent, joint)) joint.onChain = true;
    for (let at = agent.head; at !== undefined && at !== joint; at = this.#before(agent, at)) at.onChain = false;
    agent.head = to;
  }

  #before(agent: Agent, row: Row): Row | undefined {
    return row.prev === undefined ? undefined : this.#row(agent, row.seq - 1, row.prev);
  }
}
