// agent.mjs HOME SEED [takeover|drain]: an agent at work in a home, with its sign seed in hexadecimal. Prints
//   open EPOCH SEQ         once it holds the pen; the seq is its claim's
//   send N                 before the n-th event of this run is published
//   done N ID              once a quorum has it
//   lost REASON            when the pen is lost: then
//   failed N CODE REASON   for each event that was under way, and for one that is published after that
//   drained                once every relay has everything (drain)
//   error CODE             when the pen cannot be had
// and publishes until it is killed or loses the pen; with drain, nothing.

import { writeSync } from "node:fs";
import { fromHex } from "../../../dist/keys/bytes.js";
import { createNodeDisk } from "../../../dist/keys/node/disk.js";
import { AgentHome } from "../../../dist/src/agent/home.js";
import { openAgent } from "../../../dist/src/agent/open-agent.js";
import { systemPorts } from "../../../dist/src/client/ports.js";

const WORKERS = 4;
const [path, seed, mode] = process.argv.slice(2);
// Written at once: what a killed process said, it said.
const say = (...words) => writeSync(1, `${words.join(" ")}\n`);

let agent;
try {
  const disk = createNodeDisk({ label: "agent.mjs" });
  const home = await AgentHome.open(disk, path);
  agent = await openAgent({
    disk,
    ports: systemPorts,
    home,
    lock: await home.lock(),
    secrets: { signSeed: fromHex(seed), stateKey: new Uint8Array(32), agreeSecret: new Uint8Array(32) },
    bootId: "this boot",
    takeover: mode === "takeover",
  });
} catch (error) {
  say("error", error.code);
  process.exit(1);
}
say("open", agent.pen.epoch, agent.pen.claim.event.seq);
void agent.lost.then(({ reason }) => say("lost", reason));

if (mode === "drain") {
  await agent.publisher.drain({ durability: "all" });
  say("drained");
} else {
  let sent = 0;
  const publish = async () => {
    const n = ++sent;
    say("send", n);
    try {
      const { events } = await agent.publisher.publish([{ kind: "note", body: { n } }]);
      say("done", n, events[0].id);
      return true;
    } catch (error) {
      say("failed", n, error.code, (error.cause ?? error).details?.reason);
      return false;
    }
  };
  const work = async () => {
    while (await publish());
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  await publish();
}
await agent.close();
