/** A verification thread: takes entry lines, answers with the verified frame. Started by pool.ts, never imported. */
import { parentPort, workerData } from "node:worker_threads";
import type { VerifiedFrame } from "../verified-frame.js";
import { type EntryLimits, FrameVerifier } from "./frame-verifier.js";

/** One frame to verify; the body's memory goes to the thread, and comes back in the answer. */
export interface VerifyJob {
  readonly id: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface VerifyAnswer {
  readonly id: number;
  readonly frame: VerifiedFrame;
}

const verifier = new FrameVerifier(workerData as EntryLimits);

parentPort?.on("message", ({ id, body }: VerifyJob) => {
  const answer: VerifyAnswer = { id, frame: verifier.verify(body) };
  parentPort?.postMessage(answer, [body.buffer]);
});
