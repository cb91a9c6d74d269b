// Seeds on several processes: each takes slices, in the order of the seeds, until all are done, one breaks an invariant,
// or somebody says stop. What is handed out is finished, so what is done is one whole range, and the first seed that
// fails is the first.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SimSummary } from "./sim-summary.mjs";

const WORKER = fileURLToPath(new URL("sim-worker.mjs", import.meta.url));
/** Seeds in a slice: a second's work or so. */
const SLICE = 32;

/**
 * Resolves with the figures of all slices, and with the seeds that broke an invariant, in their order: all of them with
 * `keepGoing`, else it ends with the first. `shouldStop` is asked before each slice; `progress` is told after each, with
 * the figures and the seeds that failed so far. Rejects where a process ends by itself.
 */
export async function runJobs({ bundle, from, seeds, jobs, keepGoing, shouldStop, progress }) {
  const summary = new SimSummary();
  const failed = [];
  let next = from;
  const end = from + seeds;
  const runOne = () =>
    new Promise((resolve, reject) => {
      const child = fork(WORKER, [bundle], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
      const more = () => {
        if ((failed.length > 0 && !keepGoing) || next >= end || shouldStop()) {
          child.removeAllListeners("exit");
          child.once("exit", resolve);
          child.disconnect();
          return;
        }
        const count = Math.min(SLICE, end - next);
        child.send({ from: next, count, keepGoing });
        next += count;
      };
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`a process of the simulation ended by ${signal ?? code}`)));
      child.on("message", (answer) => {
        if (!answer.isReady) {
          summary.merge(answer.summary);
          failed.push(...answer.failed);
          progress(summary, failed);
        }
        more();
      });
    });
  await Promise.all(Array.from({ length: jobs }, runOne));
  return { summary, failed: failed.sort((a, b) => a.seed - b.seed) };
}
