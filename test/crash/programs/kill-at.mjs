// Loaded before a command with NODE_OPTIONS=--import: ends the process with SIGKILL at one exact step.
//   ANTS_TEST_KILL=sync:3   instead of its third fsync or fdatasync
//   ANTS_TEST_KILL=disk:4   instead of its fourth change of the disk: a write, an fsync, a file made, linked, renamed, removed
//   ANTS_TEST_KILL=disk:0   never; at its end it says on stderr how many changes there were
//   ANTS_TEST_KILL=send:2   instead of sending for the second time a frame that holds a rotate
//   ANTS_TEST_KILL=publish:2  instead of sending its second frame of events
import fs from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { WebSocket } from "ws";

const [step, wanted] = (process.env.ANTS_TEST_KILL ?? "").split(":");
let count = 0;

function reached() {
  count += 1;
  if (count === Number(wanted)) process.kill(process.pid, "SIGKILL");
}

if (step === "sync") {
  const handle = await open("/dev/null");
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ["sync", "datasync"]) {
    const original = prototype[name];
    prototype[name] = function () {
      reached();
      return original.call(this);
    };
  }
}
if (step === "disk") {
  const handle = await open("/dev/null");
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  const before = (object, name) => {
    const original = object[name];
    object[name] = function (...parameters) {
      reached();
      return original.apply(this, parameters);
    };
  };
  for (const name of ["write", "sync", "datasync", "truncate"]) before(prototype, name);
  for (const name of ["link", "rename", "unlink", "mkdir"]) before(fs.promises, name);
  syncBuiltinESMExports();
  process.on("exit", () => process.stderr.write(`${count}\n`));
}
const marks = { send: '"op":"rotate"', publish: '"t":"publish"' };
if (Object.hasOwn(marks, step)) {
  const original = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data, ...rest) {
    if (Buffer.from(data).includes(marks[step])) reached();
    return original.call(this, data, ...rest);
  };
}
