// message-reader.mjs HOME SIGN_SEED AGREE_SECRET FILE place|marks: an application that reads an inbox, with the agent's
// secrets in hexadecimal. It appends a line a message to FILE, at once and synced:
//   place   "ID PLACE": the application keeps how far it is, in the very line that is its work
//   marks   "ID" before, "done ID" after the message was marked as read
// Prints "got N" for every message, "end" when there is nothing more, and runs until then.

import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { fromHex, hex } from "../../../dist/keys/bytes.js";
import { createNodeDisk } from "../../../dist/keys/node/disk.js";
import { AgentHome } from "../../../dist/src/agent/home.js";
import { openInbox } from "../../../dist/src/agent/mail.js";
import { systemPorts } from "../../../dist/src/client/ports.js";

const [path, signSeed, agreeSecret, file, mode] = process.argv.slice(2);
const disk = createNodeDisk({ label: "message-reader.mjs" });
const home = await AgentHome.open(disk, path);
const say = (text) => writeSync(1, `${text}\n`);

const whole = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
const place = mode === "place" ? whole.at(-1)?.split(" ")[1] : undefined;
const work = openSync(file, "a");
const write = (line) => {
  appendFileSync(work, `${line}\n`);
  fsyncSync(work);
};

const inbox = await openInbox(
  {
    disk,
    ports: systemPorts,
    home,
    secrets: { signSeed: fromHex(signSeed), agreeSecret: fromHex(agreeSecret) },
    instance: hex(systemPorts.random.bytes(8)),
    hasWrittenTo: () => true,
  },
  { live: false, ...(place === undefined ? {} : { after: place }) },
);
let n = 0;
for await (const item of inbox) {
  if (item.type !== "message") continue;
  if (mode === "place") write(`${item.id} ${item.place}`);
  else {
    write(item.id);
    await inbox.done(item);
    write(`done ${item.id}`);
  }
  say(`got ${++n}`);
}
await inbox.close();
closeSync(work);
say("end");
