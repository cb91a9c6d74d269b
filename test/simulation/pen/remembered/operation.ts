import { isAntsError } from "../../../../keys/errors.js";
import {
  type ParsedOperation,
  parseOperation as readOperation,
  parsedOrNothing as readOrNothing,
} from "../../../../keys/identity/operation.js";
import { keep, keyOf, operations } from "./lines.js";

export * from "../../../../keys/identity/operation.js";

export function parseOperation(line: Uint8Array): ParsedOperation {
  const key = keyOf(line);
  return operations.get(key) ?? keep(operations, key, readOperation(line));
}

export function parsedOrNothing(operation: ParsedOperation | Uint8Array | string): ParsedOperation | undefined {
  if (!(operation instanceof Uint8Array)) return readOrNothing(operation);
  try {
    return parseOperation(operation);
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
