import type { Did } from "../../keys/did.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { OperationSet } from "../../keys/identity/operation-set.js";
import { resolveHeld } from "../../keys/identity/resolve.js";
import type { VerifiedEntry, VerifiedOperation } from "../verified-frame.js";
import { whyEraFull } from "./era-room.js";
import type { HandleBook, HandleObjection } from "./handle-book.js";

/**
 * Identity operations of one agent that a frame holds in a row. One that another of the row follows is history: it gets
 * no handle, so it may list what it could not get. Otherwise a thief who lists somebody's handle elsewhere would keep
 * the owner's rotate, which follows, out of this relay.
 */
export class OperationRun {
  readonly #operations: readonly ParsedOperation[];
  readonly #isForPen: boolean;
  /** Hashes of those that are sure to be followed here. */
  readonly #followed = new Set<string>();
  /** Their positions, as far as they went to the log. */
  readonly history = new Set<number>();

  /** `isForPen`: they come with a promise, which needs them all; names must not keep an agent from its pen. */
  constructor(operations: readonly ParsedOperation[], isForPen = false) {
    this.#operations = operations;
    this.#isForPen = isForPen;
  }

  /**
   * Why the operation is not taken for the handles that it lists; undefined where it may be. It is forgiven where another
   * branch counts, or if all that comes after it in the row will be taken: a follower that is refused would leave it as
   * the newest.
   *
   * @param known all operations that are here of the agent
   */
  objection(
    operation: ParsedOperation,
    known: Pick<OperationSet, "did" | "operations">,
    { book, maxUpdates }: { readonly book: HandleBook; readonly maxUpdates: number },
  ): HandleObjection | undefined {
    const objectionTo = (one: ParsedOperation) => book.objection(known.did, one, this.history, this.#isForPen);
    const objection = objectionTo(operation);
    if (objection === undefined || this.#followed.has(operation.hash)) return undefined;
    if (!becomesNewest(operation, known)) return undefined;
    const taken = this.#wouldBeTaken(operation, known, maxUpdates);
    const followed = new Set(taken.map(({ op }) => op.prev));
    if (!followed.has(operation.hash)) return objection;
    const asking = taken.filter((one) => !followed.has(one.hash) && this.#asks(known.did, one, book));
    if (asking.length > 1) return objection;
    if (asking.some((one) => objectionTo(one) !== undefined)) return objection;
    for (const { hash } of taken) if (followed.has(hash)) this.#followed.add(hash);
    return undefined;
  }

  /** The operation went to the log. */
  stored({ hash }: ParsedOperation, position: number): void {
    if (this.#followed.has(hash)) this.history.add(position);
  }

  /** What of the row from `first` on would go to the log, were it not for handles; nothing if not all of it would. */
  #wouldBeTaken(
    first: ParsedOperation,
    known: Pick<OperationSet, "did" | "operations">,
    maxUpdates: number,
  ): ParsedOperation[] {
    const taken: ParsedOperation[] = [];
    const trial = new OperationSet(known.did, known.operations());
    for (const operation of this.#operations.slice(this.#operations.indexOf(first))) {
      const { op } = operation;
      if (trial.get(operation.hash) !== undefined) continue;
      const parent = op.op === "genesis" ? undefined : trial.get(op.prev);
      if (op.op !== "genesis" && parent === undefined) return [];
      if (op.op === "update" && whyEraFull(parent!, op.over !== undefined, maxUpdates) !== undefined) return [];
      const isRival = op.op !== "update" && (parent?.era.closings.length ?? 0) > 0;
      if (trial.add(operation).status !== "added") return [];
      taken.push(operation);
      // It is kept as evidence, and ends the frame.
      if (isRival) break;
    }
    return taken;
  }

  #asks(did: Did, operation: ParsedOperation, book: HandleBook): boolean {
    const { op } = operation.op;
    return (op === "genesis" || op === "update") && book.asks(did, operation);
  }
}

function becomesNewest(operation: ParsedOperation, known: Pick<OperationSet, "did" | "operations">): boolean {
  const trial = new OperationSet(known.did, known.operations());
  trial.add(operation);
  return resolveHeld(trial)?.head.operation === operation;
}

/** The identity operations that stand in a row, each entry with its row; `isForPen` as {@link OperationRun} has it. */
export function runsIn(entries: readonly VerifiedEntry[], isForPen = false): ReadonlyMap<VerifiedEntry, OperationRun> {
  const runs = new Map<VerifiedEntry, OperationRun>();
  let row: VerifiedOperation[] = [];
  const end = () => {
    if (row.length === 0) return;
    const run = new OperationRun(
      row.map(({ operation }) => operation),
      isForPen,
    );
    for (const entry of row) runs.set(entry, run);
    row = [];
  };
  for (const entry of entries) {
    if (entry.type !== "identity" || (row.length > 0 && entry.did !== row[0]!.did)) end();
    if (entry.type === "identity") row.push(entry);
  }
  end();
  return runs;
}
