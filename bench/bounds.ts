import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { AntsError, generateSeed, publicKeyFromSeed, sign, utf8, verifyStrict } from "../keys/index.js";

/** Below this share of cores × one core, something else was using the machine and no ratio means anything. */
const CREDIBLE_SHARE = 0.8;
/** A neighbour on a shared machine is mostly gone after some seconds. */
const ATTEMPTS = 15;

export interface VerificationBound {
  readonly cores: number;
  readonly oneCorePerSecond: number;
  readonly allCoresPerSecond: number;
}

/** Verifies different signatures of different keys for `durationMs`; returns verifications a second. */
export function verifyFor(durationMs: number): number {
  const cases = Array.from({ length: 256 }, (_, i) => {
    const seed = generateSeed();
    const message = utf8(`ants/batch/1\n1\n${String(i).padStart(32, "0")}`);
    return { message, signature: sign(message, seed), publicKey: publicKeyFromSeed(seed) };
  });
  let done = 0;
  const start = performance.now();
  let now = start;
  while (now - start < durationMs) {
    for (const { message, signature, publicKey } of cases) {
      if (!verifyStrict(signature, message, publicKey)) throw new AntsError("internal", "a good signature was refused");
    }
    done += cases.length;
    now = performance.now();
  }
  return (done * 1000) / (now - start);
}

/**
 * What the machine can verify on one core and on all at once, measured by the same code. Tried again while all cores
 * together give less than {@link CREDIBLE_SHARE} of what they should; throws when they never do.
 */
export async function measureVerification(durationMs: number): Promise<VerificationBound> {
  const cores = availableParallelism();
  let best = { cores, oneCorePerSecond: 0, allCoresPerSecond: 0 };
  let share = 0;
  for (let attempt = 0; attempt < ATTEMPTS && share < CREDIBLE_SHARE; attempt++) {
    const oneCorePerSecond = await inWorkers(1, durationMs);
    const allCoresPerSecond = await inWorkers(cores, durationMs);
    best = { cores, oneCorePerSecond, allCoresPerSecond };
    share = allCoresPerSecond / (cores * oneCorePerSecond);
  }
  if (share < CREDIBLE_SHARE) {
    throw new AntsError(
      "bench-bound",
      `all ${cores} cores verified ${share.toFixed(2)} of ${cores} times one core: the machine is busy`,
    );
  }
  return best;
}

async function inWorkers(count: number, durationMs: number): Promise<number> {
  const rates = Array.from(
    { length: count },
    () =>
      new Promise<number>((resolve, reject) => {
        const worker = new Worker(new URL("./verify-worker.js", import.meta.url), { workerData: durationMs });
        worker.once("message", resolve);
        worker.once("error", reject);
      }),
  );
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
}

/** Bytes a second appended to one file in pieces of `pieceBytes`, each followed by fdatasync. */
export async function measureAppend(durationMs: number, pieceBytes = 256 * 1024): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), "ants-bench-"));
  const file = await open(path.join(folder, "append"), "a");
  try {
    const piece = new Uint8Array(pieceBytes).fill(0x61);
    let bytes = 0;
    const start = performance.now();
    while (performance.now() - start < durationMs) {
      await file.write(piece);
      await file.datasync();
      bytes += piece.length;
    }
    return (bytes * 1000) / (performance.now() - start);
  } finally {
    await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}
