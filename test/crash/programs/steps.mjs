// steps.mjs HOME SEED LAST RECEIVER: an agent that hands the numbers 1 to LAST to a receiver, one step each: the receiver
// is a file that gets a line {key, n, attempt} for every effect. Prints "done" when all steps are known to be done.
// ANTS_TEST_KILL=effect:2 ends it with SIGKILL right after its second effect; kill-at.mjs has the other points.
import { appendFileSync, readFileSync, writeSync } from "node:fs";
import { fromHex } from "../../../dist/keys/bytes.js";
import { createNodeDisk } from "../../../dist/keys/node/disk.js";
import { AgentHome } from "../../../dist/src/agent/home.js";
import { openAgent } from "../../../dist/src/agent/open-agent.js";
import { systemPorts } from "../../../dist/src/client/ports.js";

const [path, seed, last, receiver] = process.argv.slice(2);
const [point, wanted] = (process.env.ANTS_TEST_KILL ?? "").split(":");
const home = await AgentHome.open(createNodeDisk({ label: "steps.mjs" }), path);
const agent = await openAgent({
  disk: createNodeDisk({ label: "steps.mjs" }),
  ports: systemPorts,
  home,
  lock: await home.lock(),
  secrets: { signSeed: fromHex(seed), stateKey: new Uint8Array(32).fill(7), agreeSecret: new Uint8Array(32) },
  bootId: "this boot",
});
const heardOf = (key) => readFileSync(receiver, "utf8").includes(`"${key}"`);
const verify = ({ idempotencyKey }) =>
  heardOf(idempotencyKey) ? { status: "done" } : { status: "not-done", reason: "the receiver has it not" };
let effects = 0;
for (let n = 1; n <= Number(last); n++) {
  const hand = ({ idempotencyKey, attempt }) => {
    appendFileSync(receiver, `${JSON.stringify({ key: idempotencyKey, n, attempt })}\n`);
    if (point === "effect" && ++effects === Number(wanted)) process.kill(process.pid, "SIGKILL");
  };
  await agent.steps.run(`count-${n}`, "hand over", hand, { verify });
}
await agent.close();
writeSync(1, "done\n");
