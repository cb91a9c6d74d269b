import { type ParsedPromise, parsePromise as readPromise } from "../../../../src/protocol/promise.js";
import { entries, keep, keyOf } from "./lines.js";

export * from "../../../../src/protocol/promise.js";

export function parsePromise(line: Uint8Array): ParsedPromise {
  const key = keyOf(line);
  const known = entries.get(key);
  return known?.type === "promise" ? known : keep(entries, key, readPromise(line.slice()));
}
