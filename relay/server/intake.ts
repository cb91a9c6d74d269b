/**
 * The way of a frame into the log: verification in a thread, rates, admission, group commit. A lane is one sender
 * (a connection, a request); within a lane frames are admitted in the order of their arrival, however their
 * verification ends, and several may be under way.
 */
import { AntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import type { RelayMessage } from "../../src/protocol/messages.js";
import { refusalOf } from "../../src/protocol/refusal.js";
import type { Ledger, PromiseReply, PublishReply } from "../ledger.js";
import type { VerifiedFrame } from "../verified-frame.js";
import type { VerifierPool } from "../verify/pool.js";
import type { RateLimits } from "./rate-limits.js";

const NEWLINE = 0x0a;
/** After this time of judging one lane's frames the event loop serves others. */
const SLICE_MS = 5;

/** Whom a lane speaks for. */
export interface Sender {
  readonly address: string;
  /** The instance that is authenticated for this DID on the connection, if one is. */
  instanceOf(did: string): string | undefined;
}

/** A frame to be answered. */
export interface Submission {
  readonly t: "publish" | "promise";
  readonly ref: number;
  readonly epoch?: number;
  /** The entry lines. */
  readonly body: Uint8Array;
  /** Only identity operations of this DID are taken. */
  readonly identityOf?: string;
}

/** What goes back: an envelope, and for a promise the relay's newest identity operation. */
export interface Answer {
  readonly message: RelayMessage;
  /** A line without its newline. */
  readonly line?: Uint8Array;
  /** True where the lines were no valid entries, whatever the log holds. */
  readonly isSenseless?: boolean;
}

export interface IntakeOptions {
  readonly ledger: Ledger;
  readonly pool: VerifierPool;
  readonly rates: RateLimits;
  /** DIDs of which nothing is taken. */
  readonly banned: ReadonlySet<string>;
  /** Told of every answer, and how long it took. */
  readonly onAnswer?: (kind: "publish" | "promise", message: RelayMessage, ms: number) => void;
  readonly clock: Clock;
  /** Told of faults of this side, which the sender only hears of as `internal`. */
  readonly onFault: (error: unknown) => void;
}

interface Slot {
  readonly submission: Submission;
  readonly answer: (answer: Answer) => void;
  verified?: VerifiedFrame;
  fault?: unknown;
}

export class Intake {
  readonly options: IntakeOptions;
  #isOpen = true;
  #unanswered = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: IntakeOptions) {
    this.options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  lane(sender: Sender): Lane {
    return new Lane(this, sender);
  }

  /** Takes nothing more; resolves when everything taken before is answered. */
  async close(): Promise<void> {
    this.#isOpen = false;
    if (this.#unanswered === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** @internal */
  count(change: 1 | -1): void {
    this.#unanswered += change;
    if (this.#unanswered === 0) this.#onIdle?.();
  }
}

export class Lane {
  readonly #intake: Intake;
  readonly #sender: Sender;
  /** In the order of arrival; the first is admitted as soon as it is verified. */
  readonly #slots: Slot[] = [];

  constructor(intake: Intake, sender: Sender) {
    this.#intake = intake;
    this.#sender = sender;
  }

  /** Never rejects: whatever goes wrong is a `refused` answer. Answers come in the order of the calls. */
  submit(submission: Submission): Promise<Answer> {
    const { ref } = submission;
    if (!this.#intake.isOpen) {
      return Promise.resolve(refusedFor(ref, new AntsError("shutting-down", "the relay is shutting down")));
    }
    this.#intake.count(1);
    const { clock, onAnswer } = this.#intake.options;
    const startMs = clock.monotonicMs();
    return new Promise<Answer>((resolve) => {
      const slot: Slot = {
        submission,
        answer: (answer) => {
          this.#intake.count(-1);
          onAnswer?.(submission.t, answer.message, clock.monotonicMs() - startMs);
          resolve(answer);
        },
      };
      this.#slots.push(slot);
      this.#intake.options.pool.verify(withLastNewline(submission.body), this).then(
        (verified) => {
          slot.verified = verified;
          this.#admitReady();
        },
        (fault) => {
          slot.fault = fault;
          this.#admitReady();
        },
      );
    });
  }

  #admitReady(): void {
    const { clock } = this.#intake.options;
    const untilMs = clock.monotonicMs() + SLICE_MS;
    for (let slot = this.#slots[0]; slot !== undefined; slot = this.#slots[0]) {
      // Frames that waited for one before them go on together, but not for longer than others can wait.
      if (clock.monotonicMs() > untilMs) {
        setImmediate(() => this.#admitReady());
        return;
      }
      if (slot.verified === undefined && slot.fault === undefined) return;
      this.#slots.shift();
      const { answer } = slot;
      this.#admit(slot).then(answer, (error) => answer(this.#faultAnswer(slot.submission.ref, error)));
    }
  }

  /** Calls the ledger before it returns: the ledger judges in the order of the calls. */
  async #admit({ submission, verified, fault }: Slot): Promise<Answer> {
    if (verified === undefined) throw fault;
    const { ledger, rates } = this.#intake.options;
    const { t, ref, epoch, identityOf } = submission;
    const { failure } = verified;
    const did = verified.entries[0]?.did;
    if (did === undefined || (failure !== undefined && t === "promise")) {
      const { i, code, message } = failure ?? { i: 0, code: "bad-frame", message: "a frame needs at least one entry" };
      return { ...refusedFor(ref, new AntsError(code, message), { i, at: [] }), isSenseless: true };
    }
    const foreign = verified.entries.findIndex((entry) => entry.type !== "identity" || entry.did !== identityOf);
    if (identityOf !== undefined && foreign >= 0) {
      const error = new AntsError("bad-frame", `only identity operations of ${identityOf} are taken here`);
      return refusedFor(ref, error, { i: foreign, at: [] });
    }
    const banned = verified.entries.find((entry) => this.#intake.options.banned.has(entry.did))?.did;
    if (banned !== undefined) {
      const error = new AntsError("banned", `this relay takes nothing of ${banned}`, { details: { did: banned } });
      return refusedFor(ref, error, { i: 0, at: [] });
    }
    const instance = this.#sender.instanceOf(did);
    const source = { address: this.#sender.address, isAuthor: instance !== undefined, epoch };
    const refusal = rates.charge(verified, source, (candidate) => ledger.agent(candidate));
    if (refusal !== undefined) return { message: { t: "refused", ref, i: 0, at: [], ...refusal } };
    const from = {
      ...(epoch === undefined ? {} : { epoch }),
      ...(instance === undefined ? {} : { author: did, instance }),
    };
    if (t === "promise") return promiseAnswer(ref, await ledger.promise(verified));
    const before = ledger.agent(did)?.superseded ?? 0;
    const reply = ledger.publish(verified, from);
    rates.owe(verified, source, (ledger.agent(did)?.superseded ?? 0) - before);
    return publishAnswer(ref, await reply);
  }

  #faultAnswer(ref: number, error: unknown): Answer {
    if (error instanceof AntsError && error.code !== "internal") return refusedFor(ref, error, { i: 0, at: [] });
    this.#intake.options.onFault(error);
    return refusedFor(ref, new AntsError("internal", "the relay could not process this frame"), { i: 0, at: [] });
  }
}

/** The answer that tells of an error. */
export function refusedFor(ref: number | undefined, error: unknown, extra: { i?: number; at?: number[] } = {}): Answer {
  return { message: { t: "refused", ...(ref === undefined ? {} : { ref }), ...extra, ...refusalOf(error) } };
}

function publishAnswer(ref: number, reply: PublishReply): Answer {
  if ("refused" in reply) return { message: { t: "refused", ref, ...reply.refused } };
  return { message: { t: "ack", ref, at: reply.at } };
}

function promiseAnswer(ref: number, reply: PromiseReply): Answer {
  if ("refused" in reply) return { message: { t: "refused", ref, ...reply.refused } };
  return { message: { t: "promised", ref, ...reply.promised }, line: reply.identityLine };
}

/** The last line of a frame may lack its newline; the log's lines never do. */
function withLastNewline(body: Uint8Array): Uint8Array {
  if (body.length === 0 || body[body.length - 1] === NEWLINE) return body;
  const complete = new Uint8Array(body.length + 1);
  complete.set(body);
  complete[body.length] = NEWLINE;
  return complete;
}
