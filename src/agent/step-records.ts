import { sha256Hex } from "#platform";
import { concat, utf8 } from "../../keys/bytes.js";
import type { JsonObject, JsonValue } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { TAG_BYTES } from "../../keys/tags.js";
import type { ChainHead, Event } from "../protocol/event.js";
import { ALARM_KIND } from "./secret-records.js";

/** Private events that say that an effect is about to happen, and what became of it. */
export const STEP_KIND = "ants.step";
/** The kinds that {@link StepLedger} reads. */
export const STEP_KINDS: readonly string[] = [STEP_KIND, ALARM_KIND];
/** What names a step: 1 to 128 printable characters of ASCII without blanks, quotes and the like. */
export const STEP_KEY = /^[A-Za-z0-9][A-Za-z0-9._:/@+=#-]{0,127}$/;

/** A step is about to happen. */
export interface StepIntent {
  readonly key: string;
  readonly name: string;
  /** 1 the first time. */
  readonly attempt: number;
  readonly input?: JsonObject;
}

/**
 * What became of an attempt. `done`: it happened. `failed`: it did not, and is not to be tried again unless somebody
 * says so. `not-done`: it did not happen, and may be tried again.
 */
export type StepEnd =
  | { readonly status: "done"; readonly result?: JsonValue }
  | { readonly status: "failed"; readonly reason: string }
  | { readonly status: "not-done"; readonly reason: string };

/** Where a step stands. `unknown`: its intent is on the chain and no outcome of it: it happened, or it did not. */
export type StepState = StepEnd["status"] | "unknown";

/** An event of a step, with its author's clock. */
export interface StepPlace extends ChainHead {
  readonly timeMs: number;
}

/** What the chain says of one step. */
export interface KnownStep {
  readonly key: string;
  readonly name: string;
  readonly state: StepState;
  /** How many intents there are. */
  readonly attempts: number;
  /** The newest of them. */
  readonly intent: StepPlace;
  /** Where its outcome is told; absent while that is unknown. */
  readonly end?: StepPlace;
  /** An alarm says that somebody has to find out what became of it. */
  readonly parked: boolean;
}

/** All steps of an agent, as its chain tells of them: a fold of its step events, in the order of their seq. */
export class StepLedger {
  readonly #steps = new Map<string, KnownStep>();
  #unreadable: StepPlace | undefined;

  /** `body`: opened; undefined where it cannot be. */
  add(event: Event, body: JsonObject | undefined): void {
    const place = placeOf(event);
    if (body === undefined) {
      if (event.kind === STEP_KIND) this.#unreadable = place;
      return;
    }
    const { key, name, phase, attempt, of } = body;
    if (typeof key !== "string") return;
    if (event.kind === ALARM_KIND) {
      this.#park(key, body);
      return;
    }
    const known = this.#steps.get(key);
    if (phase === "intent" && typeof name === "string" && typeof attempt === "number") {
      // What happened once has happened, whatever a later one says.
      if (known?.state === "done") return;
      const attempts = Math.max(attempt, (known?.attempts ?? 0) + 1);
      this.#steps.set(key, { key, name, state: "unknown", attempts, intent: place, parked: false });
    } else if (phase === "outcome" && known !== undefined && known.state !== "done") {
      const { status } = body;
      const isOfNewest = of === known.intent.id;
      if (status === "done" || (isOfNewest && (status === "failed" || status === "not-done")))
        this.#steps.set(key, { ...known, state: status, end: place, parked: false });
    }
  }

  get(key: string): KnownStep | undefined {
    return this.#steps.get(key);
  }

  /** The steps whose outcome is not known, the oldest first. */
  unknown(): KnownStep[] {
    return [...this.#steps.values()].filter(({ state }) => state === "unknown");
  }

  /** All steps, the oldest first. */
  all(): KnownStep[] {
    return [...this.#steps.values()];
  }

  /** The last step event that these keys do not open: what it says of which step is not known. */
  get unreadable(): StepPlace | undefined {
    return this.#unreadable;
  }

  #park(key: string, { alarm, intent }: JsonObject): void {
    const step = alarm === STEP_ALARM ? this.#steps.get(key) : undefined;
    if (step?.state === "unknown" && step.intent.id === intent) this.#steps.set(step.key, { ...step, parked: true });
  }
}

const STEP_ALARM = "step-unknown";

export function intentToBody({ key, name, attempt, input }: StepIntent): JsonObject {
  return { phase: "intent", key, name, attempt, ...(input === undefined ? {} : { input }) };
}

/** The outcome of an attempt: `of` is the id of its intent. */
export function endToBody(key: string, of: string, end: StepEnd): JsonObject {
  return { phase: "outcome", key, of, ...end } as JsonObject;
}

/** What an outcome's body says; the ledger has read its form. */
export function endOfBody({ status, result, reason }: JsonObject): StepEnd {
  if (status === "done") return { status, ...(result === undefined ? {} : { result }) };
  return { status: status === "failed" ? status : "not-done", reason: typeof reason === "string" ? reason : "" };
}

export function stepAlarmBody({ key, name, intent }: KnownStep): JsonObject {
  return { alarm: STEP_ALARM, key, name, intent: intent.id };
}

/**
 * What tells a receiver that two attempts are the same step: SHA-256(tag ‖ DID ‖ "\n" ‖ key) in hex. The same on every
 * host and in every attempt, and another one for every agent.
 */
export function idempotencyKey(did: Did, key: string): string {
  return sha256Hex(concat(TAG_BYTES.step, utf8(`${did}\n${key}`)));
}

function placeOf({ epoch, seq, id, time }: Event): StepPlace {
  return { epoch, seq, id, timeMs: time };
}
