/**
 * From the lines of a frame to checked facts: canonical form, grammar, hash, signature. Pure; the same code runs in
 * the worker threads and, for small frames, on the main thread.
 */
import type { JsonValue } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache, verifyEventSignature } from "../../src/protocol/batch.js";
import { type ParsedEntry, parseEntry } from "../../src/protocol/entry.js";
import { handoverOf } from "../../src/protocol/handover.js";
import { MAX_DEPTH, type RelayLimits } from "../../src/protocol/limits.js";
import { badSignature } from "../../src/protocol/statement.js";
import type { VerifiedEntry, VerifiedFrame } from "../verified-frame.js";

const NEWLINE = 0x0a;

export type EntryLimits = Pick<RelayLimits, "maxLineBytes" | "maxDepth" | "maxOperationBytes">;

/** Verifies frames and remembers the batch roots it has seen, so that a batch spread over frames costs one signature. */
export class FrameVerifier {
  readonly #limits: EntryLimits;
  readonly #roots = new RootCache();

  constructor(limits: EntryLimits) {
    this.#limits = limits;
  }

  /**
   * Verifies entry lines, each ending in "\n", in order; stops at the first that fails, which is then `failure`.
   * The result's `bytes` are a view into `body`. Never throws for anything that can stand in `body`.
   */
  verify(body: Uint8Array): VerifiedFrame {
    const entries: VerifiedEntry[] = [];
    const lengths: number[] = [];
    let start = 0;
    let failure: VerifiedFrame["failure"];
    while (start < body.length && failure === undefined) {
      const newline = body.indexOf(NEWLINE, start);
      const end = newline < 0 ? body.length : newline;
      const outcome = this.#entry(body.subarray(start, end));
      if (isAntsError(outcome)) {
        failure = { i: entries.length, code: outcome.code, message: outcome.message };
      } else {
        entries.push(outcome);
        lengths.push(end + 1 - start);
        start = end + 1;
      }
    }
    const bytes = body.subarray(0, start);
    return { bytes, lengths: Uint32Array.from(lengths), entries, ...(failure === undefined ? {} : { failure }) };
  }

  #entry(line: Uint8Array): VerifiedEntry | AntsError {
    try {
      if (line.length > this.#limits.maxLineBytes) throw tooLarge("line", line.length, "maxLineBytes", this.#limits);
      const entry = parseEntry(line);
      if (entry.type === "identity" && line.length > this.#limits.maxOperationBytes) {
        throw tooLarge("identity operation", line.length, "maxOperationBytes", this.#limits);
      }
      if (entry.type === "event") this.#checkEvent(entry);
      return factsOf(entry);
    } catch (error) {
      if (isAntsError(error)) return error;
      return new AntsError("internal", "this line could not be checked", { cause: error });
    }
  }

  #checkEvent(entry: ParsedEntry & { type: "event" }): void {
    const { maxDepth } = this.#limits;
    if (maxDepth < MAX_DEPTH && depthOf(entry.event as unknown as JsonValue) > maxDepth) {
      throw new AntsError("json-depth", `nested deeper than this relay takes: ${maxDepth} levels`, {
        details: { limit: "maxDepth", value: maxDepth },
      });
    }
    if (!verifyEventSignature(entry, this.#roots)) throw badSignature("event");
  }
}

/** The facts of one checked entry, without its line. */
export function factsOf(entry: ParsedEntry): VerifiedEntry {
  const { id } = entry;
  const did = entry.did as Did;
  if (entry.type === "identity") return { type: "identity", id, did, operation: entry.operation };
  if (entry.type === "promise") {
    const { epoch, stream, instance, key, takeover, after, handover } = entry.promise;
    return {
      type: "promise",
      id,
      did,
      epoch,
      stream,
      instance,
      key,
      takeover: takeover === true,
      ...(after === undefined ? {} : { after }),
      ...(handover === undefined ? {} : { handover }),
    };
  }
  const { epoch, seq, prev, key, kind, to, tags, body } = entry.event;
  const claim = entry.isClaim;
  const successor = handoverOf(entry.event)?.instance;
  return {
    type: "event",
    id,
    did,
    epoch,
    seq,
    ...(prev === undefined ? {} : { prev }),
    key,
    kind,
    to: to ?? [],
    tags: tags ?? [],
    claim,
    pruned: entry.pruned,
    ...(claim && body !== undefined ? { instance: String(body.instance), identity: String(body.identity) } : {}),
    ...(successor === undefined ? {} : { successor }),
  };
}

function depthOf(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const item of Object.values(value)) deepest = Math.max(deepest, depthOf(item));
  return deepest + 1;
}

function tooLarge(what: string, bytes: number, limit: keyof EntryLimits, limits: EntryLimits): AntsError {
  return new AntsError("too-large", `a ${what} of ${bytes} bytes: this relay takes ${limits[limit]}`, {
    details: { limit, value: limits[limit] },
  });
}
