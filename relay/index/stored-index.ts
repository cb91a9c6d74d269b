import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Disk } from "../../keys/ports.js";
import { domainsOf } from "../admission/handle-book.js";
import type { LogFiles } from "../log/log-files.js";
import { AgentTable } from "./agent-table.js";
import { EventTrees } from "./event-trees.js";
import { Facts } from "./facts.js";
import { HandleHolds } from "./handle-holds.js";
import { FACT, factKey } from "./index-keys.js";
import { type Progress, progressOf } from "./index-progress.js";
import { type RebuildReason, whyRebuild } from "./index-state.js";
import { escrowName, nameKey } from "./names.js";
import { PageCache } from "./page-cache.js";
import { Tables } from "./tables.js";

/** What is looked up of an entry. */
interface SoughtEntry {
  readonly type: "event" | "identity" | "promise";
  readonly did: string;
  /** 64 lower-case hex. */
  readonly id: string;
  /** Events only. */
  readonly seq?: number;
}

/** An index as it is on disk, opened for looking only; a relay may be using it meanwhile. */
export class StoredIndex {
  readonly progress: Progress;
  readonly #tables: Tables;
  readonly #facts: Facts;
  readonly #agents: AgentTable;
  readonly #pages: PageCache;
  readonly #trees: EventTrees;
  readonly #holds: HandleHolds;

  private constructor(tables: Tables, progress: Progress) {
    this.#tables = tables;
    this.progress = progress;
    this.#facts = new Facts(tables);
    this.#agents = new AgentTable(tables, this.#facts, progress.nextAgentNo);
    this.#pages = new PageCache(tables);
    this.#trees = new EventTrees(this.#facts, this.#agents, this.#pages);
    this.#holds = new HandleHolds(this.#facts);
  }

  /** Or why a relay that starts here would build it anew. */
  static async open(options: {
    readonly folder: string;
    readonly disk: Disk;
    readonly files: LogFiles;
    readonly stream: string;
    readonly bootId: string | undefined;
  }): Promise<StoredIndex | RebuildReason> {
    const rebuild = await whyRebuild(options);
    if (rebuild !== undefined) return rebuild;
    const tables = Tables.open(options.folder, { readOnly: true });
    const progress = progressOf(tables);
    if (progress !== undefined) return new StoredIndex(tables, progress);
    await tables.close();
    return "missing";
  }

  /** The position that the index has for an entry; undefined when it doesn't know it. */
  positionOf({ type, did, id, seq }: SoughtEntry): number | undefined {
    this.#pages.makeRoom();
    this.#agents.makeRoom();
    if (type === "event" && seq !== undefined) {
      const agent = this.#agents.byDid(did);
      const placed = agent && this.#trees.find(agent.no, seq, id);
      if (placed !== undefined) return placed.position;
    }
    return this.#facts.get(factKey(FACT.id, Buffer.from(id, "hex")))?.readUIntBE(0, 6);
  }

  /**
   * What the index lacks or has wrong of the names in an identity operation; undefined where they are as they should be.
   * With whom a handle is follows from the log as a whole; seen here is whether what the operation got is its agent's.
   */
  nameFault({ did, op }: ParsedOperation, position: number): string | undefined {
    const no = this.#agents.byDid(did)?.no;
    if (no === undefined) return "does not know the agent";
    if (!this.#facts.has(nameKey(escrowName(op.escrow), no))) return "does not find the agent by its escrow key";
    const listed = op.op === "genesis" ? domainsOf(op.handles) : [];
    const unlisted = listed.find((domain) => this.#holds.listerAt(domain, position) !== no);
    if (unlisted !== undefined) return `does not know that ${unlisted} is listed here`;
    const wrong = op.handles.find((handle) => {
      const hold = this.#holds.get(handle);
      return hold?.at === position && (hold.did !== did || !this.#holds.isOf(did, handle));
    });
    return wrong === undefined ? undefined : `has ${wrong} with another agent than it should`;
  }

  async close(): Promise<void> {
    await this.#tables.close();
  }
}
