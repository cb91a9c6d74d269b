/**
 * What the drill's agents have effects on: `receiver.js <file> <address>`. POST /count {agent, n, key} notes a number,
 * durably, before it answers; a key that was noted before is noted as asked again. GET /count?key= says whether it was.
 * A line "swallow <agent>" on stdin: the next number of that agent is noted, and its answer never sent.
 */
import { appendFileSync, closeSync, fdatasyncSync, openSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { AntsError } from "../../../../keys/errors.js";

const [, , file, address] = process.argv;
const MAX_BODY_BYTES = 4_096;
const taken = new Set<string>();
const swallow = new Set<string>();
const descriptor = openSync(file!, "a", 0o644);

function note(line: object): void {
  appendFileSync(descriptor, `${JSON.stringify(line)}\n`);
  fdatasyncSync(descriptor);
}

function answer(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES)
      throw new AntsError("internal", "the call is longer than any of the drill's agents'");
  }
  return text;
}

const server = createServer(async (request, response) => {
  if (request.method !== "POST") {
    const key = new URL(request.url!, "http://receiver").searchParams.get("key");
    answer(response, { taken: taken.has(key ?? "") });
    return;
  }
  const { agent, n, key, host } = JSON.parse(await bodyOf(request)) as Record<string, string | number>;
  const again = taken.has(String(key));
  taken.add(String(key));
  note({ agent, n, key, host, again });
  if (swallow.delete(String(agent))) process.stdout.write(`${JSON.stringify({ swallowed: n, agent })}\n`);
  else answer(response, { again });
});
server.listen(0, address, () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ url: `http://${address}:${port}` })}\n`);
});
createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, agent] = line.split(" ");
  if (word === "swallow") swallow.add(agent!);
});
process.once("disconnect", () => process.exit());
process.once("exit", () => closeSync(descriptor));
