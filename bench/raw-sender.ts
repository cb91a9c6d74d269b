import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

/** Unsent bytes above which the sender waits: the relay's own default, so that both sides are paced alike. */
const MAX_UNSENT_BYTES = 8 * 2 ** 20;

const file = readFileSync(process.argv[2]!);
const frames: Buffer[] = [];
for (let at = 0; at < file.length; ) {
  const length = file.readUInt32LE(at);
  frames.push(file.subarray(at + 4, at + 4 + length));
  at += 4 + length;
}

const server = new WebSocketServer({
  port: 0,
  host: "127.0.0.1",
  perMessageDeflate: false,
  handleProtocols: () => "ants.1",
});
server.on("connection", (socket) => {
  socket.send("{}");
  socket.once("message", async () => {
    for (const frame of frames) {
      if (socket.readyState !== socket.OPEN) return;
      const sent = new Promise<void>((resolve) => socket.send(frame, () => resolve()));
      if (socket.bufferedAmount > MAX_UNSENT_BYTES) await sent;
    }
  });
});
await once(server, "listening");
process.once("SIGTERM", () => process.exit(0));
console.log(JSON.stringify({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }));
