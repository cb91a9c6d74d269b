// message-sender.mjs HOME SIGN_SEED AGREE_SECRET [RECIPIENT TEXT [VIA]]: an agent at work, with its secrets in hexadecimal.
// Prints "open", "sent ID" once the message is published, "delivered" once all recipients have it, and stays at work: what
// earlier runs left is delivered meanwhile.

import { writeSync } from "node:fs";
import { fromHex } from "../../../dist/keys/bytes.js";
import { createNodeDisk } from "../../../dist/keys/node/disk.js";
import { bootAndPlace } from "../../../dist/src/agent/boot-id.js";
import { AgentHome } from "../../../dist/src/agent/home.js";
import { openAgent } from "../../../dist/src/agent/open-agent.js";
import { systemPorts } from "../../../dist/src/client/ports.js";

const [path, signSeed, agreeSecret, recipient, text, via] = process.argv.slice(2);
const disk = createNodeDisk({ label: "message-sender.mjs" });
const home = await AgentHome.open(disk, path);
const say = (words) => writeSync(1, `${words}\n`);
const agent = await openAgent({
  disk,
  ports: systemPorts,
  home,
  lock: await home.lock(),
  secrets: { signSeed: fromHex(signSeed), agreeSecret: fromHex(agreeSecret), stateKey: new Uint8Array(32) },
  bootId: await bootAndPlace(disk, home.layout.lock),
});
say("open");
if (recipient !== undefined) {
  const names = recipient.split(",");
  const options = { deliverMs: 0, ...(via === undefined ? {} : { via: [via] }) };
  const { id, recipients } = await agent.send(names, text, options);
  say(`sent ${id}`);
  if (recipients.every(({ delivered }) => delivered)) say("delivered");
}
await agent.lost;
