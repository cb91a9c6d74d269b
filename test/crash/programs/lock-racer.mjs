// lock-racer.mjs PATH: reads "try" and "release" from stdin, answers "held", "refused PID" or "released".
import { createInterface } from "node:readline";
import { lockFile } from "ants-agent/keys/node";

const path = process.argv[2];
const TRIES = 3;
let lock;
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "release") {
    await lock.release();
    lock = undefined;
    console.log("released");
    continue;
  }
  let holder;
  for (let tries = 0; tries < TRIES && lock === undefined; tries++) {
    try {
      lock = await lockFile(path, { label: "racer" });
    } catch (error) {
      if (error.code !== "locked") throw error;
      holder = error.details.pid;
    }
  }
  console.log(lock === undefined ? `refused ${holder}` : "held");
}
