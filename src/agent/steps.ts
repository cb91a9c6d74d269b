import { canonicalBytes, type JsonObject, type JsonValue, parseCanonicalObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ChainStore } from "../client/chain-store.js";
import { abortable } from "../client/deadline.js";
import type { Pen } from "../client/pen.js";
import type { Publisher } from "../client/publisher.js";
import { parseEvent } from "../protocol/event.js";
import { ALARM_KIND } from "./secret-records.js";
import { StepReader } from "./step-reader.js";
import {
  endOfBody,
  endToBody,
  idempotencyKey,
  intentToBody,
  type KnownStep,
  STEP_KEY,
  STEP_KIND,
  type StepEnd,
  type StepPlace,
  stepAlarmBody,
} from "./step-records.js";

/** What an effect is told of the attempt that it is. */
export interface StepAttempt {
  /** Hand it to the receiver: the same in every attempt, on every host; 64 hex digits. */
  readonly idempotencyKey: string;
  /** 1 the first time. */
  readonly attempt: number;
  readonly signal?: AbortSignal;
}

/** A step of which nobody knows whether it happened. */
export interface UnknownStep extends KnownStep {
  readonly idempotencyKey: string;
  /** What its intent said. */
  readonly input?: JsonObject;
}

/** What somebody found out about a step of unknown outcome. */
export type StepVerdict = StepEnd | { readonly status: "unknown" };

export interface StepOptions {
  /**
   * Finds out what became of an attempt whose outcome is unknown, by asking the receiver for the idempotency key, for
   * example. `not-done` has the effect run again.
   */
  readonly verify?: (step: UnknownStep) => StepVerdict | Promise<StepVerdict>;
  /** The receiver takes each idempotency key once, however often it comes: an unknown outcome is simply tried again. */
  readonly repeatable?: boolean;
  /** Tries a step again that is known to have failed. */
  readonly again?: boolean;
  /** Kept with the intent, for whoever has to find out later; at most 16,384 bytes of JSON, no floats, no null. */
  readonly input?: JsonObject;
  /** Ends the waiting. The effect is told of it and ends by itself. */
  readonly signal?: AbortSignal;
}

/** `ran`: the effect was run by this very call; else it is what is known from before. */
export type StepOutcome<T> =
  | { readonly status: "done"; readonly result: T; readonly ran: boolean }
  | { readonly status: "failed"; readonly reason: string; readonly ran: boolean };

type AnyOutcome = StepOutcome<JsonValue | undefined>;

export interface StepsParts {
  readonly did: Did;
  readonly chain: ChainStore;
  readonly publisher: Publisher;
  /** The turn of holding the pen that is under way. */
  readonly pen: () => Pen;
  /** What opens the agent's own private bodies, the present key first. */
  readonly stateKeys: readonly Uint8Array[];
}

/** A result or an input fits a sealed body with room to spare. */
export const MAX_STEP_BYTES = 16_384;
const MAX_REASON_CHARACTERS = 500;

/**
 * What to throw from the effect of a step that certainly did not happen and is not to be tried again by itself: the
 * outcome is `failed` then. After any other error nobody knows whether it happened.
 */
export function stepFailed(reason: string, options: { readonly cause?: unknown } = {}): AntsError {
  return new AntsError("step-failed", reason, {
    hint: "run the step with again once the reason is gone",
    ...options,
  });
}

/**
 * The effects of an agent, each with its intent on the chain before and its outcome after it, both private and both
 * committed by a quorum: whatever host goes on knows what was done, and what nobody knows. A step that is known to be
 * done is never run again; one whose intent has no outcome is run again only when `verify` says that it did not
 * happen, or the receiver minds the idempotency key.
 */
export class AgentSteps {
  readonly #parts: StepsParts;
  readonly #reader: StepReader;
  readonly #running = new Map<string, Promise<AnyOutcome>>();
  /** Intents of this process whose effect was not begun. */
  readonly #notBegun = new Set<string>();

  constructor(parts: StepsParts) {
    this.#parts = parts;
    this.#reader = new StepReader(parts.chain, parts.stateKeys);
  }

  /**
   * Runs `effect` once, for all runs of this agent on all hosts. `key` names the step among all of this agent
   * (`order-4711/pay`), `name` says what it is. A second call while one is under way waits for that one.
   *
   * What the effect gives is kept as the result and given by every later call: JSON without floats and null, at most
   * {@link MAX_STEP_BYTES}.
   *
   * Throws `step-unknown` where nobody knows whether it happened (an alarm is on the chain then; details.key), and
   * what the effect threw where `verify` says that it did not happen; `step-key`, `step-input` for arguments;
   * `step-result` when it is done and its result cannot be kept; `step-unreadable`; `pen-lost`, `pen-unconfirmed`,
   * `publish-unknown`, the signal's reason: the effect did not begin, or its outcome is for the next holder to find
   * out.
   */
  run<T>(
    key: string,
    name: string,
    effect: (attempt: StepAttempt) => Promise<T> | T,
    options: StepOptions = {},
  ): Promise<StepOutcome<T>> {
    const running = this.#running.get(key);
    if (running !== undefined) return abortable(running as Promise<unknown> as Promise<StepOutcome<T>>, options.signal);
    const run = this.#run(key, name, effect, options).finally(() => this.#running.delete(key));
    this.#running.set(key, run);
    return run as Promise<unknown> as Promise<StepOutcome<T>>;
  }

  /** The steps of unknown outcome that are not under way in this process, the oldest first. */
  async unknown(): Promise<UnknownStep[]> {
    const ledger = await this.#reader.read();
    const steps = ledger
      .unknown()
      .filter(({ key, intent }) => !this.#running.has(key) && !this.#notBegun.has(intent.id));
    return Promise.all(steps.map((step) => this.#describe(step)));
  }

  /** What is known of a step; undefined for one that was never begun. */
  async get(key: string): Promise<KnownStep | undefined> {
    return (await this.#reader.read()).get(key);
  }

  /**
   * Records what somebody found out about a step of unknown outcome. Throws "usage" where its outcome is known or it
   * is under way, and what publishing throws.
   */
  async settle(key: string, end: StepEnd, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const step = (await this.#reader.read()).get(key);
    if (step === undefined || step.state !== "unknown" || this.#running.has(key)) {
      const state = this.#running.has(key) ? "under way" : (step?.state ?? "not among this agent's steps");
      throw new AntsError("usage", `the step ${key} is ${state}: there is nothing to settle`, { details: { key } });
    }
    if (end.status === "done") requireKept("the result", end.result);
    await this.#end(step.key, step.intent, end, signal);
  }

  async #run(
    key: string,
    name: string,
    effect: (attempt: StepAttempt) => unknown,
    options: StepOptions,
  ): Promise<AnyOutcome> {
    const { input, signal } = options;
    requireNames(key, name);
    requireKept("the input", input);
    const { epoch } = this.#parts.pen();
    const known = (await this.#reader.read()).get(key);
    if (known !== undefined && known.name !== name) {
      throw new AntsError("step-key", `the step ${key} is ${known.name}, not ${name}`, {
        hint: "a key names one step for good: give this one a key of its own",
        details: { key, name, known: known.name },
      });
    }
    const before = known === undefined ? undefined : await this.#whatIsKnown(known, options);
    if (before !== undefined) return before;

    const attempt = (known?.attempts ?? 0) + 1;
    const intent = await this.#intend({ key, name, attempt, ...(input === undefined ? {} : { input }) }, signal);
    const meanwhile = intent.epoch === epoch ? undefined : await this.#meanwhile(known, intent, key, options);
    if (meanwhile !== undefined) return meanwhile;
    const about = { idempotencyKey: idempotencyKey(this.#parts.did, key), attempt };
    try {
      signal?.throwIfAborted();
      this.#parts.pen().check();
    } catch (error) {
      this.#leave(key, intent);
      throw error;
    }
    let result: unknown;
    try {
      result = await effect(signal === undefined ? about : { ...about, signal });
    } catch (error) {
      return this.#afterError(key, intent, error, options);
    }
    return this.#done(key, intent, result, true, signal);
  }

  /**
   * The pen was claimed anew while the intent waited, and another holder may have had it in between and done this very
   * step. Undefined where the effect is to be run all the same.
   */
  async #meanwhile(
    known: KnownStep | undefined,
    intent: StepPlace,
    key: string,
    options: StepOptions,
  ): Promise<AnyOutcome | undefined> {
    const before = (await this.#reader.before(intent.seq)).get(key);
    if (before === undefined || (before.intent.id === known?.intent.id && before.state === known.state))
      return undefined;
    // Of what the other holder left open, this intent is the newest attempt: it is told with this one's outcome.
    const step = before.state === "unknown" ? { ...before, intent, parked: false } : before;
    const outcome = await this.#whatIsKnown(step, options);
    if (outcome !== undefined && before.state === "failed")
      await this.#end(key, intent, { status: "failed", reason: "it had failed" }, options.signal);
    return outcome;
  }

  /** Undefined where the effect is to be run (again). */
  async #whatIsKnown(step: KnownStep, options: StepOptions): Promise<AnyOutcome | undefined> {
    switch (step.state) {
      case "done":
      case "failed": {
        if (step.state === "failed" && options.again === true) return undefined;
        const end = endOfBody(await this.#reader.body(step.end!));
        if (end.status === "done") return { status: "done", result: end.result, ran: false };
        return { status: "failed", reason: end.reason, ran: false };
      }
      case "not-done":
        return undefined;
      case "unknown": {
        if (this.#notBegun.has(step.intent.id)) return undefined;
        const verdict = await this.#verdictOn(step, options);
        if (verdict.status === "not-done") return undefined;
        if (verdict.status === "unknown") {
          if (options.repeatable === true) return undefined;
          throw await this.#park(step, options.signal);
        }
        if (verdict.status === "done") return this.#done(step.key, step.intent, verdict.result, false, options.signal);
        await this.#end(step.key, step.intent, verdict, options.signal);
        return { ...verdict, ran: false };
      }
    }
  }

  /** The effect threw: whether it happened, only `verify` can say. */
  async #afterError(key: string, intent: StepPlace, error: unknown, options: StepOptions): Promise<AnyOutcome> {
    const { signal } = options;
    if (isAntsError(error, "step-failed")) {
      const failed = { status: "failed", reason: error.message.slice(0, MAX_REASON_CHARACTERS) } as const;
      await this.#end(key, intent, failed, signal);
      return { ...failed, ran: true };
    }
    const step = (await this.#reader.read()).get(key)!;
    const verdict = await this.#verdictOn(step, options, error);
    switch (verdict.status) {
      case "done":
        return this.#done(key, intent, verdict.result, true, signal);
      case "failed":
        await this.#end(key, intent, verdict, signal);
        return { ...verdict, ran: true };
      case "not-done":
        await this.#end(key, intent, verdict, signal);
        throw error;
      case "unknown":
        if (options.repeatable === true) throw error;
        throw await this.#park(step, signal, error);
    }
  }

  async #verdictOn(step: KnownStep, { verify, signal }: StepOptions, cause?: unknown): Promise<StepVerdict> {
    if (verify === undefined) return { status: "unknown" };
    const described = await this.#describe(step);
    try {
      return await verify(described);
    } catch (error) {
      signal?.throwIfAborted();
      throw await this.#park(step, signal, cause ?? error);
    }
  }

  async #describe(step: KnownStep): Promise<UnknownStep> {
    const { input } = await this.#reader.body(step.intent);
    const described = { ...step, idempotencyKey: idempotencyKey(this.#parts.did, step.key) };
    return typeof input === "object" && !Array.isArray(input) ? { ...described, input } : described;
  }

  /** Resolves when the intent is committed: a quorum has it, so every later holder of the pen does. */
  async #intend(intent: Parameters<typeof intentToBody>[0], signal: AbortSignal | undefined): Promise<StepPlace> {
    const draft = { kind: STEP_KIND, private: true, body: intentToBody(intent) };
    try {
      const { events } = await this.#parts.publisher.publish([draft], signal === undefined ? {} : { signal });
      return placeOf(events[0]!.line);
    } catch (error) {
      // It may be on the chain, and its effect was not begun.
      const left = (await this.#reader.read()).get(intent.key);
      if (left?.state === "unknown" && left.attempts === intent.attempt) this.#leave(intent.key, left.intent);
      throw error;
    }
  }

  /** The effect of this intent was not begun: this process knows, and the next one where it can still be told. */
  #leave(key: string, intent: StepPlace): void {
    this.#notBegun.add(intent.id);
    if (this.#parts.pen().loss !== undefined) return;
    this.#publishEnd(key, intent, { status: "not-done", reason: "it was not begun" }).catch(() => {});
  }

  async #done(
    key: string,
    intent: StepPlace,
    result: unknown,
    ran: boolean,
    signal: AbortSignal | undefined,
  ): Promise<AnyOutcome> {
    const unkept = whyNotKept(result);
    const kept = unkept === undefined && result !== undefined ? { result: result as JsonValue } : {};
    await this.#end(key, intent, { status: "done", ...kept }, signal);
    if (unkept !== undefined) throw notKept("step-result", "the result", unkept);
    return { status: "done", result: kept.result, ran };
  }

  /** The signal ends the waiting, never the recording: what happened is told. */
  #end(key: string, intent: StepPlace, end: StepEnd, signal: AbortSignal | undefined): Promise<void> {
    return abortable(this.#publishEnd(key, intent, end), signal);
  }

  async #publishEnd(key: string, intent: StepPlace, end: StepEnd): Promise<void> {
    await this.#parts.publisher.publish([{ kind: STEP_KIND, private: true, body: endToBody(key, intent.id, end) }]);
  }

  /** Raises the alarm once for an intent; resolves with the error to throw. */
  async #park(step: KnownStep, signal: AbortSignal | undefined, cause?: unknown): Promise<AntsError> {
    if (!step.parked) {
      const draft = { kind: ALARM_KIND, private: true, body: stepAlarmBody(step) };
      await abortable(this.#parts.publisher.publish([draft]), signal);
    }
    const { key, name, attempts, intent } = step;
    return new AntsError("step-unknown", `nobody knows whether the step ${key} (${name}) happened`, {
      hint: "find out at its receiver, then: agent.steps.settle(key, …), or run it with verify",
      details: { key, name, attempts, intent: intent.id, idempotencyKey: idempotencyKey(this.#parts.did, key) },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function placeOf(line: Uint8Array): StepPlace {
  const { epoch, seq, id, time } = parseEvent(line).event;
  return { epoch, seq, id, timeMs: time };
}

function requireNames(key: string, name: string): void {
  if (STEP_KEY.test(key) && typeof name === "string" && name !== "" && name.length <= 128) return;
  throw new AntsError(
    "step-key",
    `a step needs a key that matches ${STEP_KEY.source} and a name of 1 to 128 characters`,
    {
      hint: "docs/steps.md says how steps are named",
      details: { key, name },
    },
  );
}

/** What is written must be readable again: canonical JSON as the strict reader takes it, within the limit. */
function whyNotKept(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  try {
    const bytes = canonicalBytes({ value });
    if (bytes.length > MAX_STEP_BYTES) return `it has more than ${MAX_STEP_BYTES} bytes`;
    parseCanonicalObject(bytes);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function notKept(code: string, what: string, why: string): AntsError {
  return new AntsError(code, `${what} of a step cannot be kept: ${why}`, {
    hint: "keep large things in files and their names or hashes here; numbers are integers, and there is no null",
    details: { maxBytes: MAX_STEP_BYTES },
  });
}

function requireKept(what: string, value: unknown): void {
  const why = whyNotKept(value);
  if (why !== undefined) throw notKept("step-input", what, why);
}
