import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { WebSocket } from "ws";
import { AntsError } from "../keys/index.js";
import { publishAll } from "./ingest.js";
import type { LoadedAgent } from "./load.js";
import { start, startRelayProcess } from "./processes.js";

const SEND_ENTRIES = 64;

export interface ReplayResult {
  readonly entries: number;
  readonly frames: number;
  readonly relayBytesPerSecond: number;
  readonly relayEntriesPerSecond: number;
  /** The same frames from a process that only sends them. */
  readonly rawBytesPerSecond: number;
}

/** Fills a relay, reads it from the start with one follow, then lets a bare WebSocket server send the same frames. */
export async function measureReplay(agents: readonly LoadedAgent[], rounds: number): Promise<ReplayResult> {
  await using relay = await startRelayProcess();
  for (const agent of agents) await publishAll(relay.url, agent, SEND_ENTRIES);
  const entries = agents.reduce((sum, { lines }) => sum + lines.length + 2, 0);
  const follow = JSON.stringify({ t: "follow", ref: 1, after: "start" });
  await receive(relay.url, follow, entries, () => undefined);

  const frames: Buffer[] = [];
  await receive(relay.url, follow, entries, (frame) => frames.push(Buffer.from(frame)));
  const folder = await mkdtemp(path.join(tmpdir(), "ants-bench-"));
  try {
    const file = path.join(folder, "frames");
    await writeFile(file, Buffer.concat(frames.flatMap((frame) => [length(frame), frame])));
    await using raw = await start("./raw-sender.js", [file]);
    await receive(raw.url, follow, entries, () => undefined);
    const relayRates: Rate[] = [];
    const rawRates: Rate[] = [];
    for (let round = 0; round < rounds; round++) {
      relayRates.push(await receive(relay.url, follow, entries, () => undefined));
      rawRates.push(await receive(raw.url, follow, entries, () => undefined));
    }
    return {
      entries,
      frames: frames.length,
      relayBytesPerSecond: median(relayRates.map((rate) => rate.bytesPerSecond)),
      relayEntriesPerSecond: median(relayRates.map((rate) => rate.entriesPerSecond)),
      rawBytesPerSecond: median(rawRates.map((rate) => rate.bytesPerSecond)),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Rate {
  readonly bytesPerSecond: number;
  readonly entriesPerSecond: number;
}

/** Reads until `entries` entries have come, counting by each envelope's positions; they must be 1, 2, 3 … */
async function receive(url: string, follow: string, entries: number, keep: (frame: Buffer) => void): Promise<Rate> {
  const socket = new WebSocket(url, "ants.1", { perMessageDeflate: false });
  await once(socket, "message");
  let seen = 0;
  let bytes = 0;
  const startMs = performance.now();
  const done = new Promise<void>((resolve, reject) => {
    socket.on("message", (frame: Buffer) => {
      const envelope = JSON.parse(frame.toString("utf8", 0, frame.indexOf(0x0a))) as { t: string; at?: number[] };
      if (envelope.t !== "entries") return;
      const at = envelope.at ?? [];
      if (at[0] !== seen + 1 || at.at(-1) !== seen + at.length)
        reject(new AntsError("internal", "a hole in the replay"));
      keep(frame);
      seen += at.length;
      bytes += frame.length;
      if (seen === entries) resolve();
    });
    socket.once("close", () => reject(new AntsError("internal", "the connection closed during the replay")));
  });
  socket.send(follow);
  await done;
  const seconds = (performance.now() - startMs) / 1000;
  socket.terminate();
  return { bytesPerSecond: bytes / seconds, entriesPerSecond: entries / seconds };
}

function length(frame: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(frame.length);
  return bytes;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
