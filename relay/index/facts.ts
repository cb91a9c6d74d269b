import type { Row, Tables } from "./tables.js";

const NOTHING = Buffer.alloc(0);
/** Written for a fact without a value: LMDB's JavaScript side takes an empty value for none. */
const PRESENT = Buffer.of(1);

/** The table of facts, with those on top that are not written yet. */
export class Facts {
  readonly #tables: Tables;
  /** By key in latin1, which sorts as the bytes do; undefined: removed. */
  readonly #pending = new Map<string, Buffer | undefined>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  get dirty(): boolean {
    return this.#pending.size > 0;
  }

  get(key: Buffer): Buffer | undefined {
    const name = key.toString("latin1");
    if (this.#pending.size > 0 && this.#pending.has(name)) return this.#pending.get(name);
    return this.#tables.get(this.#tables.facts, key);
  }

  has(key: Buffer): boolean {
    return this.get(key) !== undefined;
  }

  put(key: Buffer, value: Buffer = PRESENT): void {
    this.#pending.set(key.toString("latin1"), value);
  }

  remove(key: Buffer): void {
    this.#pending.set(key.toString("latin1"), undefined);
  }

  /** All facts whose key begins with `prefix`, in key order, from the key `from` on, at most `limit`. */
  withPrefix(prefix: Buffer, limit: number, from: Buffer = prefix): Row[] {
    const first = from.toString("latin1");
    const stored = (limit: number) => this.#tables.range(this.#tables.facts, { from, until: after(prefix), limit });
    return this.#merged(prefix, limit, stored, (name) => name >= first);
  }

  /** The last `limit` facts whose key begins with `prefix`, the last one first. */
  lastWithPrefix(prefix: Buffer, limit: number): Row[] {
    const range = { from: after(prefix), until: prefix, reverse: true };
    const stored = (limit: number) => this.#tables.range(this.#tables.facts, { ...range, limit });
    return this.#merged(prefix, limit, stored, () => true, true);
  }

  /** The first `limit` rows, in key order or against it, of what is stored and what is pending. */
  #merged(
    prefix: Buffer,
    limit: number,
    stored: (limit: number) => Row[],
    isAsked: (name: string) => boolean,
    reverse = false,
  ): Row[] {
    const start = prefix.toString("latin1");
    const changed = [...this.#pending].filter(([name]) => name.startsWith(start) && isAsked(name));
    const removed = changed.filter(([, value]) => value === undefined).length;
    const rows = new Map(stored(limit + removed).map((row) => [row.key.toString("latin1"), row]));
    for (const [name, value] of changed) {
      if (value === undefined) rows.delete(name);
      else rows.set(name, { key: Buffer.from(name, "latin1"), value });
    }
    const names = [...rows.keys()].sort();
    if (reverse) names.reverse();
    return names.slice(0, limit).map((name) => rows.get(name)!);
  }

  /** Writes what is pending; inside a transaction. */
  write(): void {
    const { facts } = this.#tables;
    for (const [name, value] of this.#pending) {
      const key = Buffer.from(name, "latin1");
      if (value === undefined) facts.removeSync(key);
      else facts.putSync(key, value);
    }
  }

  /** After the transaction. */
  written(): void {
    this.#pending.clear();
  }
}

/** The first key that is greater than every key with this prefix. */
function after(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i] !== 0xff) {
      end[i]!++;
      return end.subarray(0, i + 1);
    }
  }
  return NOTHING;
}
