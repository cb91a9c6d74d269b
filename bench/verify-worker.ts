import { parentPort, workerData } from "node:worker_threads";
import { verifyFor } from "./bounds.js";

// The first pass warms the compiler up; only the second counts.
verifyFor(Math.min(200, workerData as number));
parentPort?.postMessage(verifyFor(workerData as number));
