import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createChallenge, encodeFrame, systemPorts } from "ants-agent";
import { encodeMultikey, publicKeyFromSeed } from "ants-agent/keys";
import { startTestRelay } from "ants-agent/testing";
import { afterEach, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { Resolver } from "../../src/client/resolver.js";
import { give, Owner } from "../support/owner.js";

/** A relay that answers a question about an identity with whatever it likes (N8). */
const STREAM = "00000000000000ff";
const servers: WebSocketServer[] = [];

async function liar(answer: (socket: WebSocket, ref: number) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "ants.1" });
  servers.push(server);
  await once(server, "listening");
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const key = encodeMultikey(publicKeyFromSeed(new Uint8Array(32)));
  const cursor = `${STREAM}.0.e3b0c442`;
  const relay = { name: "liar", url, stream: STREAM, key, limits: {}, policy: POLICY, software: "none" };
  server.on("connection", (socket) => {
    const challenge = createChallenge(systemPorts.random);
    socket.send(text(encodeFrame({ t: "hello", v: 1, relay, challenge, head: { cursor, checkpoint: "" } })));
    socket.on("message", (message) => {
      const { t, ref } = JSON.parse(message.toString().split("\n")[0]!) as { t: string; ref: number };
      if (t === "follow") answer(socket, ref);
    });
  });
  return url;
}
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const POLICY = { durability: "fsync", hosting: "open" };

afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
});

/** Frames with these lines, one after the other, for as long as the other side listens. */
function sendForever(socket: WebSocket, ref: number, lines: readonly string[]): void {
  let position = 0;
  const next = (): void => {
    if (socket.readyState !== socket.OPEN) return;
    const at = lines.map(() => ++position);
    const envelope = { t: "entries", ref, at, cursor: `${STREAM}.${position}.00000000` };
    socket.send(text(encodeFrame(envelope, lines)), () => setImmediate(next));
  };
  next();
}

it("a relay that sends operations without end is cut off, one that sends others' is not believed", async () => {
  await using honest = await startTestRelay();
  const [owner, stranger] = [new Owner([honest]), new Owner([honest])];
  await give(honest, owner.genesis);
  const endless = await liar((socket, ref) => sendForever(socket, ref, Array(256).fill(owner.genesis.line)));
  const fake = await liar((socket, ref) => sendForever(socket, ref, Array(32).fill(stranger.genesis.line)));
  const resolver = new Resolver({ relays: [endless, fake, honest.url] }, systemPorts);
  const result = await resolver.resolve(owner.did);
  expect(result.status).toBe("verified");
  expect(result.asked).toMatchObject([
    { address: endless, answer: "log", operations: 1, cut: true },
    { address: fake, answer: "failed", code: "relay-protocol" },
    { address: honest.url, answer: "log", operations: 1 },
  ]);
});

it("relays that an identity names by the hundred are not all dialled, and the owner's oldest and newest are", async () => {
  await using honest = await startTestRelay();
  const owner = new Owner([honest]);
  const nowhere = (from: number) =>
    Array.from({ length: 60 }, (_, i) => ({
      url: `ws://127.0.0.1:${from + i}`,
      stream: (from + i).toString(16).padStart(16, "0"),
    }));
  const one = owner.update(owner.genesis, { relays: nowhere(1) });
  const two = owner.update(one, { relays: nowhere(101) });
  const three = owner.update(two, { relays: nowhere(201) });
  await give(honest, owner.genesis, one, two, three);
  const resolver = new Resolver({ relays: [], allowPrivate: true, known: pinned(owner) }, systemPorts);
  const result = await resolver.resolve(owner.did);
  expect(result.status).toBe("stale");
  expect(result.asked.length).toBeLessThanOrEqual(64);
  expect(result.asked.map(({ address }) => address)).toContain("ws://127.0.0.1:201");
  expect("state" in result && result.state.head.hash).toBe(three.hash);
});

function pinned(owner: Owner) {
  const pin = { operations: [owner.genesis.parsed], head: owner.genesis.hash };
  return { load: () => Promise.resolve(pin), save: () => Promise.resolve() };
}
