/**
 * The verification threads. A frame goes to one thread; waiting frames are taken in turns, one from each lane (a
 * lane is a connection), so that nobody's flood delays anybody else by more than one frame a lane.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { AntsError } from "../../keys/errors.js";
import type { VerifiedFrame } from "../verified-frame.js";
import { type EntryLimits, FrameVerifier } from "./frame-verifier.js";
import type { VerifyAnswer } from "./worker.js";

/** Frames at one thread at once: one being verified, one waiting, so that the thread never idles between two. */
const FRAMES_PER_THREAD = 2;
/**
 * A body up to this size is verified on the main thread when no frame is waiting: it takes about as long as handing
 * it to a thread and back, and needs no second wake-up. Two ordinary entries.
 */
const INLINE_BYTES = 1_500;
/** A thread that keeps dying has a reason that another start won't cure. */
const MAX_RESTARTS = 16;
/** After so many frames that were verified, earlier deaths count no more. */
const FRAMES_TO_FORGET = 10_000;

interface Job {
  readonly id: number;
  readonly body: Uint8Array;
  readonly resolve: (frame: VerifiedFrame) => void;
  readonly reject: (error: AntsError) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly jobs: Map<number, Job>;
}

export interface VerifierPoolOptions {
  /** Threads; 0: one per core. */
  readonly workers: number;
  readonly limits: EntryLimits;
  /** Told when a thread died of an error; its frames are refused as `internal`, and another thread takes its place. */
  readonly onThreadError?: (error: unknown) => void;
}

export class VerifierPool {
  readonly #options: VerifierPoolOptions;
  readonly #inline: FrameVerifier;
  readonly #threads: Thread[] = [];
  /** Waiting frames by lane, lanes in the order of their turns. */
  readonly #lanes = new Map<unknown, Job[]>();
  #nextId = 0;
  #pending = 0;
  #restarts = 0;
  /** Frames that threads verified since one of them died. */
  #sinceDeath = 0;
  #closed = false;

  constructor(options: VerifierPoolOptions) {
    this.#options = options;
    this.#inline = new FrameVerifier(options.limits);
    const count = options.workers === 0 ? availableParallelism() : options.workers;
    for (let i = 0; i < count; i++) this.#start();
  }

  /** Why nothing is verified any more: the threads died too often. */
  get failure(): AntsError | undefined {
    return this.#threads.length === 0 && !this.#closed ? noThreads() : undefined;
  }

  /** Frames that are not verified yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Verifies entry lines, each ending in "\n". The result's bytes are a view into `body` or a copy of it: neither may
   * change as long as the result is used. Rejects only with `internal` (a thread died) or `shutting-down`.
   */
  verify(body: Uint8Array, lane: unknown): Promise<VerifiedFrame> {
    if (this.#closed) return Promise.reject(shuttingDown());
    const { failure } = this;
    if (failure !== undefined) return Promise.reject(failure);
    if (body.length <= INLINE_BYTES && this.#pending === 0) return Promise.resolve(this.#inline.verify(body));
    this.#pending += 1;
    return new Promise((resolve, reject) => {
      const job: Job = { id: this.#nextId++, body, resolve, reject };
      const waiting = this.#lanes.get(lane);
      if (waiting === undefined) this.#lanes.set(lane, [job]);
      else waiting.push(job);
      this.#dispatch();
    });
  }

  /** Ends the threads; frames that are not verified yet are refused as `shutting-down`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#refuseWaiting(shuttingDown());
    for (const { jobs } of this.#threads) for (const job of jobs.values()) this.#refuse(job, shuttingDown());
    await Promise.all(this.#threads.map((thread) => thread.worker.terminate()));
  }

  #start(): void {
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: this.#options.limits,
      name: "ants-verify",
    });
    const thread: Thread = { worker, jobs: new Map() };
    this.#threads.push(thread);
    worker.on("message", (answer: VerifyAnswer) => this.#answered(thread, answer));
    worker.on("error", (error) => this.#died(thread, error));
  }

  #dispatch(): void {
    while (this.#lanes.size > 0) {
      const thread = this.#leastBusy();
      if (thread === undefined) return;
      const job = this.#take();
      thread.jobs.set(job.id, job);
      const copy = new Uint8Array(job.body);
      thread.worker.postMessage({ id: job.id, body: copy }, [copy.buffer]);
    }
  }

  #leastBusy(): Thread | undefined {
    let best: Thread | undefined;
    for (const thread of this.#threads) {
      if (thread.jobs.size < (best?.jobs.size ?? FRAMES_PER_THREAD)) best = thread;
    }
    return best;
  }

  /** The next frame of the lane whose turn it is; the lane then goes to the end. */
  #take(): Job {
    const [lane, jobs] = this.#lanes.entries().next().value as [unknown, Job[]];
    const job = jobs.shift()!;
    this.#lanes.delete(lane);
    if (jobs.length > 0) this.#lanes.set(lane, jobs);
    return job;
  }

  #answered(thread: Thread, { id, frame }: VerifyAnswer): void {
    const job = thread.jobs.get(id);
    if (job === undefined) return;
    thread.jobs.delete(id);
    this.#pending -= 1;
    this.#sinceDeath += 1;
    if (this.#sinceDeath >= FRAMES_TO_FORGET) this.#restarts = 0;
    this.#dispatch();
    job.resolve(frame);
  }

  #died(thread: Thread, error: unknown): void {
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    for (const job of thread.jobs.values()) {
      this.#refuse(job, new AntsError("internal", "the thread that verified this frame died", { cause: error }));
    }
    if (this.#closed) return;
    this.#options.onThreadError?.(error);
    this.#restarts += 1;
    this.#sinceDeath = 0;
    if (this.#restarts <= MAX_RESTARTS) this.#start();
    if (this.#threads.length > 0) this.#dispatch();
    else this.#refuseWaiting(noThreads());
  }

  #refuseWaiting(error: AntsError): void {
    const jobs = [...this.#lanes.values()].flat();
    this.#lanes.clear();
    for (const job of jobs) this.#refuse(job, error);
  }

  #refuse(job: Job, error: AntsError): void {
    this.#pending -= 1;
    job.reject(error);
  }
}

function shuttingDown(): AntsError {
  return new AntsError("shutting-down", "the relay is shutting down", { hint: "try again in a moment" });
}

function noThreads(): AntsError {
  return new AntsError("internal", `the threads that verify entries died ${MAX_RESTARTS} times; restart the relay`);
}
