import { expect } from "vitest";
import { createIdentity } from "../../../keys/identity/create.js";
import { type ParsedOperation, parseOperation } from "../../../keys/identity/operation.js";
import { generateSeed, publicKeyFromSeed } from "../../../keys/index.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { systemClock } from "../../../keys/ports.js";
import { Admission } from "../../../relay/admission/admission.js";
import { Holders } from "../../../relay/admission/holders.js";
import { OperationRun } from "../../../relay/admission/operation-run.js";
import type { Outcome } from "../../../relay/admission/outcome.js";
import type { VerifiedEntry, VerifiedEvent, VerifiedPromise } from "../../../relay/verified-frame.js";
import { DEFAULT_LIMITS } from "../../../src/protocol/limits.js";
import { MemoryIndex } from "./memory-index.js";

const STREAM = "00000000000000aa";

/** An agent with one phrase key; `seed` signs now. */
export function agent() {
  const seed = generateSeed();
  const recovery = [generateSeed(), generateSeed()];
  const spare = publicKeyFromSeed(generateSeed());
  const genesis = createIdentity({
    signSeeds: [seed],
    agree: spare,
    recoveryKeys: [publicKeyFromSeed(recovery[0]!)],
    escrow: spare,
    relays: [],
    timeMs: 1,
  });
  return {
    seed,
    recovery,
    spare,
    genesis: genesis.parsed,
    did: genesis.did,
    key: encodeMultikey(publicKeyFromSeed(seed)),
  };
}

export const asEntry = (operation: ParsedOperation): VerifiedEntry => ({
  type: "identity",
  id: operation.hash,
  did: operation.did,
  operation,
});

/** A relay's admission over the plain index, with a log of what was stored and the commits a relay would make. */
export class Bench {
  readonly index = new MemoryIndex();
  readonly log: VerifiedEntry[] = [];
  nowMs = 0;
  readonly maxOperationsPerEra: number;
  readonly holders = new Holders({ ...systemClock, monotonicMs: () => this.nowMs });
  admission: Admission;

  constructor({ maxOperationsPerEra } = { maxOperationsPerEra: DEFAULT_LIMITS.maxOperationsPerEra }) {
    this.maxOperationsPerEra = maxOperationsPerEra;
    this.admission = this.#open();
  }

  send(entry: VerifiedEntry, epoch?: number, author?: string): Outcome {
    const sender = { ...(epoch === undefined ? {} : { epoch }), ...(author === undefined ? {} : { author }) };
    return this.#keep(entry, this.admission.admit(entry, sender));
  }

  /** A frame of identity operations, judged in order up to the first refusal; the answers as codes. */
  sendRow(...operations: readonly ParsedOperation[]): string[] {
    return this.#judge(operations, new OperationRun(operations));
  }

  /** The same, as what comes with a promise. */
  bring(...operations: readonly ParsedOperation[]): string[] {
    return this.#judge(operations, new OperationRun(operations, true));
  }

  #judge(operations: readonly ParsedOperation[], run: OperationRun): string[] {
    const codes: string[] = [];
    for (const operation of operations) {
      const entry = asEntry(operation);
      const outcome = this.#keep(entry, this.admission.admit(entry, { run }));
      codes.push(outcome.kind === "refused" ? outcome.code : outcome.kind);
      if (outcome.kind === "refused") break;
    }
    return codes;
  }

  ask(promise: VerifiedPromise): Outcome {
    return this.#keep(promise, this.admission.promise(promise));
  }

  commit(): void {
    const group = this.admission.closeGroup();
    if (group === undefined) return;
    this.index.apply(group);
    this.admission.settle(this.index.appliedPosition);
  }

  restart(): void {
    this.commit();
    this.admission = this.#open();
  }

  #keep(entry: VerifiedEntry, outcome: Outcome): Outcome {
    const position =
      outcome.kind === "stored" ? outcome.position : outcome.kind === "refused" ? outcome.kept : undefined;
    if (position !== undefined) {
      this.log.push(entry);
      expect(position).toBe(this.log.length);
    }
    return outcome;
  }

  #open(): Admission {
    return new Admission({
      index: this.index,
      holders: this.holders,
      stream: STREAM,
      maxOperationsPerEra: this.maxOperationsPerEra,
      operationAt: (position) => {
        const entry = this.log[position - 1];
        if (entry?.type !== "identity") throw new Error("not an operation");
        return parseOperation(entry.operation.line);
      },
      handles: { host: () => "relay.example", reserved: new Set(["admin"]), perAgent: 3 },
      nowMs: () => this.nowMs,
      prunedAt: (position) => {
        const entry = this.log[position - 1];
        return entry?.type === "event" && entry.pruned;
      },
    });
  }
}

export type Agent = ReturnType<typeof agent>;

export function event(
  { did, key }: Agent,
  name: string,
  prev?: VerifiedEvent,
  more: Partial<VerifiedEvent> = {},
): VerifiedEvent {
  const [, epoch, seq] = /^(\d+)\.(\d+)/.exec(name)!;
  const claim = prev === undefined || Number(epoch) > prev.epoch;
  return {
    type: "event",
    id: `${name}@${did.slice(-4)}`,
    did,
    epoch: Number(epoch),
    seq: Number(seq),
    ...(prev === undefined ? {} : { prev: prev.id }),
    key,
    kind: claim ? "ants.claim" : "note",
    to: [],
    tags: [],
    claim,
    pruned: false,
    ...more,
  };
}

export function promise(
  { did, key }: Agent,
  epoch: number,
  instance: string,
  more: Partial<VerifiedPromise> = {},
): VerifiedPromise {
  return {
    type: "promise",
    id: `p${epoch}-${instance}`,
    did,
    epoch,
    stream: STREAM,
    instance,
    key,
    takeover: false,
    ...more,
  };
}

export const codeOf = (outcome: Outcome) => (outcome.kind === "refused" ? outcome.code : outcome.kind);
