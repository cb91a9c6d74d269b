import { type Database, open, type RootDatabase } from "lmdb";
import { storageFailed } from "../log/storage-failure.js";

/** Not in its types: the mode of the files that it creates, 0664 otherwise. */
const OWNER_ONLY = { permissionsMode: 0o600 } as object;

type Table = Database<Buffer, Buffer>;

/** One row of a {@link Tables.range}. */
export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Keys from `from` (inclusive) to `until` (exclusive) in the direction of the walk: with `reverse`, `from` is the larger. */
interface Range {
  readonly from: Buffer;
  readonly until: Buffer;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/**
 * The index's LMDB environment. Nothing in it is synced to disk as it is written: it is derived from the log, and a
 * killed process loses nothing that the system has taken. Values are copies.
 */
export class Tables {
  readonly #root: RootDatabase<Buffer, Buffer>;
  /** Agents' events, records and postings; see index-keys.ts. */
  readonly agents: Table;
  /** Postings by type, kind, recipient, tag. */
  readonly terms: Table;
  /** Everything that is looked up by one key and seldom written. */
  readonly facts: Table;
  /** What the index is of and how far it goes. */
  readonly meta: Table;

  private constructor(root: RootDatabase<Buffer, Buffer>) {
    this.#root = root;
    const table = (name: string) =>
      root.openDB<Buffer, Buffer>({ name, keyEncoding: "binary", encoding: "binary", cache: false });
    this.agents = table("agents");
    this.terms = table("terms");
    this.facts = table("facts");
    this.meta = table("meta");
  }

  /** Opens or creates the environment in this folder. Throws "storage-failed". */
  static open(folder: string, options: { readOnly?: boolean } = {}): Tables {
    try {
      return new Tables(
        open<Buffer, Buffer>({
          path: folder,
          noSubdir: false,
          noSync: true,
          ...OWNER_ONLY,
          overlappingSync: false,
          maxDbs: 8,
          cache: false,
          keyEncoding: "binary",
          encoding: "binary",
          ...(options.readOnly ? { readOnly: true } : {}),
        }),
      );
    } catch (error) {
      throw storageFailed(error, `open the index in ${folder}`);
    }
  }

  get(table: Table, key: Buffer): Buffer | undefined {
    return table.getBinary(key);
  }

  /** Rows in key order, or backwards. Read at once, so give a limit where many may be. */
  range(table: Table, { from, until, reverse = false, limit }: Range): Row[] {
    const rows: Row[] = [];
    const options = { start: from, end: until, reverse, ...(limit === undefined ? {} : { limit }) };
    for (const { key, value } of table.getRange(options)) rows.push({ key: Buffer.from(key), value });
    return rows;
  }

  /** Runs `write`, which may only put and remove; all of it is there afterwards, or none. Throws "storage-failed". */
  transaction(write: () => void): void {
    try {
      this.#root.transactionSync(write);
      this.#root.resetReadTxn();
    } catch (error) {
      throw storageFailed(error, "write to the index");
    }
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}
