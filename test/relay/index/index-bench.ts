import { join } from "node:path";
import { nodeDisk } from "../../../keys/node/disk.js";
import { IndexDb, type IndexOptions } from "../../../relay/index/index-db.js";
import type { AgentUpdate, IndexEntry, IndexGroup, TreeChange } from "../../../relay/index/index-group.js";
import { nodeLogFiles } from "../../../relay/log/log-files.js";
import type { Prng } from "../../keys/prng.js";

export const STREAM = "00000000000000aa";
export const BOOT = "boot-1";

export function optionsIn(folder: string, more: Partial<IndexOptions> = {}): IndexOptions {
  return {
    folder: join(folder, "index"),
    disk: nodeDisk,
    files: nodeLogFiles,
    stream: STREAM,
    firstPosition: 1,
    lastPosition: Number.MAX_SAFE_INTEGER,
    rootAt: rootOf,
    bootId: BOOT,
    ...more,
  };
}

export function openIndex(folder: string, more: Partial<IndexOptions> = {}): Promise<IndexDb> {
  return IndexDb.open(optionsIn(folder, more));
}

/** Stands for the tree's root: one for each size. */
export function rootOf(size: number): Uint8Array {
  return new Uint8Array(32).fill(size % 251);
}

export function didOf(no: number): `did:ants:${string}` {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  const digits = Array.from({ length: 51 }, (_, i) => letters[Math.floor(no / 32 ** i) % 32]);
  return `did:ants:${digits.join("")}a`;
}

interface Known {
  readonly seq: number;
  readonly id: string;
  readonly prev: string | undefined;
  readonly epoch: number;
  readonly key: string;
  readonly claim: boolean;
  position: number;
}

const KINDS = ["note", "task", "ants.claim"];
const TAGS = ["build", "red", "blue"];

/**
 * Groups as admission could make them, with everything in them that can happen: many agents, forks, claims that move
 * the head sideways, heads that go back, foreign events that join, lines that are replaced, operations and promises.
 */
export class GroupMaker {
  readonly #prng: Prng;
  readonly #trees: Known[][] = [];
  readonly #heads: (Known | undefined)[] = [];
  readonly #foreign: (Known & { no: number })[] = [];
  readonly entries: IndexEntry[] = [];
  readonly groups: IndexGroup[] = [];
  readonly agents: number;
  readonly #claims: number;

  /** `claims`: out of 100 events, how many are claims beside others. */
  constructor(prng: Prng, agents = 5, claims = 10) {
    this.#prng = prng;
    this.agents = agents;
    this.#claims = claims;
  }

  next(size: number): IndexGroup {
    const first = this.entries.length + 1;
    const fresh: AgentUpdate[] = [];
    const tree: TreeChange[] = [];
    const touched = new Set<number>();
    for (let i = 0; i < size; i++) {
      const no = 1 + this.#prng.below(this.agents);
      if (no > this.#trees.length) {
        this.#trees.push([]);
        const added = this.#trees.length;
        fresh.push(this.#record(added, first + i));
        this.entries.push({ id: this.#hex(), type: "identity", agentNo: added });
      } else if (this.#prng.below(20) === 0) {
        touched.add(no);
        this.entries.push({ id: this.#hex(), type: this.#prng.pick(["identity", "promise"] as const), agentNo: no });
      } else {
        this.#event(no, first + i, tree);
      }
    }
    const known = [...touched].filter((no) => !fresh.some((update) => update.no === no));
    const group: IndexGroup = {
      first,
      entries: this.entries.slice(first - 1),
      agents: [...fresh, ...known.map((no) => this.#record(no, first))],
      tree,
    };
    this.groups.push(group);
    return group;
  }

  /** Every event of an agent's tree. */
  tree(no: number): readonly Known[] {
    return this.#trees[no - 1] ?? [];
  }

  #event(no: number, position: number, tree: TreeChange[]): void {
    const random = this.#prng;
    const known = this.#trees[no - 1]!;
    const id = this.#hex();
    const key = `z6Mk${random.below(3)}`;
    const to = random.below(4) === 0 ? [didOf(1 + random.below(this.agents))] : undefined;
    const tags = random.below(3) === 0 ? [...new Set([random.pick(TAGS), random.pick(TAGS)])] : undefined;
    const kind = random.pick(KINDS);
    const entry = { id, type: "event" as const, agentNo: no, kind, ...(to && { to }), ...(tags && { tags }) };
    const choice = random.below(100);
    const old = known.length > 3 ? random.pick(known) : undefined;
    if (choice < 2 && old !== undefined) {
      this.entries.push({ ...entry, id: old.id });
      old.position = position;
      tree.push({ op: "place", agentNo: no, movesHead: false, ...withPrev(old) });
      return;
    }
    this.entries.push(entry);
    if (choice < 6 && old !== undefined) {
      const event = { position, epoch: 1, seq: old.seq + 1, id, key, claim: false, prev: old.id };
      this.#foreign.push({ ...event, no });
      tree.push({ op: "foreign", agentNo: no, ...event });
      return;
    }
    this.#place(no, { position, id, key }, tree);
    if (choice > 96) this.#adopt(no, tree);
    else if (choice > 94) this.#turnBack(no, tree);
  }

  #place(no: number, { position, id, key }: { position: number; id: string; key: string }, tree: TreeChange[]): void {
    const random = this.#prng;
    const known = this.#trees[no - 1]!;
    const head = this.#heads[no];
    const claim = known.length === 0 || random.below(100) < this.#claims;
    const prev = claim && known.length > 0 && random.below(2) === 0 ? random.pick(known) : head;
    const epoch = (prev?.epoch ?? 0) + (claim ? 1 + random.below(2) : 0);
    const seq = prev === undefined ? 0 : prev.seq + 1;
    const event: Known = { position, epoch, seq, id, key, claim, prev: prev?.id };
    const movesHead = prev === head || random.below(2) === 0;
    known.push(event);
    tree.push({ op: "place", agentNo: no, movesHead, ...withPrev(event) });
    if (movesHead) this.#heads[no] = event;
  }

  #adopt(no: number, tree: TreeChange[]): void {
    const at = this.#foreign.findIndex((event) => event.no === no);
    const [event] = at < 0 ? [] : this.#foreign.splice(at, 1);
    if (event === undefined) return;
    const { no: _, ...rest } = event;
    this.#trees[no - 1]!.push(rest);
    tree.push({ op: "place", agentNo: no, movesHead: false, ...withPrev(rest) });
  }

  #turnBack(no: number, tree: TreeChange[]): void {
    const known = this.#trees[no - 1]!;
    const to = this.#prng.below(4) === 0 ? undefined : this.#prng.pick(known);
    this.#heads[no] = to;
    tree.push({ op: "head", agentNo: no, ...(to && { to: { seq: to.seq, id: to.id } }) });
  }

  #record(no: number, position: number): AgentUpdate {
    const promised = { epoch: this.#prng.below(100), position };
    return { no, did: didOf(no), promised, details: { hosted: true, note: this.#prng.below(1000) } };
  }

  #hex(): string {
    return Buffer.from(this.#prng.bytes(32)).toString("hex");
  }
}

function withPrev({ prev, ...event }: Known) {
  return { ...event, ...(prev === undefined ? {} : { prev }) };
}
