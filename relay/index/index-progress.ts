import type { Tables } from "./tables.js";

const KEY = Buffer.from("applied");

/** How far the database goes. Written with each transaction. */
export interface Progress {
  /** Everything up to this position is in it. */
  readonly applied: number;
  /** The tree's root over these entries, hex. */
  readonly root: string;
  readonly nextAgentNo: number;
}

export function progressOf(tables: Tables): Progress | undefined {
  const stored = tables.get(tables.meta, KEY);
  return stored && (JSON.parse(stored.toString("utf8")) as Progress);
}

/** Inside a transaction. */
export function writeProgress(tables: Tables, progress: Progress): void {
  tables.meta.putSync(KEY, Buffer.from(JSON.stringify(progress)));
}
