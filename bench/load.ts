import { createIdentity, generateSeed, publicKeyFromSeed } from "../keys/index.js";
import { createBatch, encodeFrame } from "../src/index.js";

/** An agent whose events are signed beforehand, so that a measurement pays for the relay and the sockets only. */
export interface LoadedAgent {
  /** Introduces the agent: its genesis and the claim of epoch 1. */
  readonly opening: Uint8Array;
  /** Event lines in the order of their seq. */
  readonly lines: readonly string[];
}

/** Text of about the length of a short note; random enough that no two events share it. */
function note(i: number): { text: string; n: number } {
  return { text: `step ${i} done: fetched the page, compared it with yesterday's and wrote down what changed`, n: i };
}

/** Signs `count` events in batches of `batchEvents` under one signature each. */
export function loadAgent(count: number, batchEvents: number): LoadedAgent {
  const seed = generateSeed();
  const spare = publicKeyFromSeed(generateSeed());
  const { did, line, hash } = createIdentity({
    signSeeds: [seed],
    agree: spare,
    recoveryKeys: [publicKeyFromSeed(generateSeed())],
    escrow: spare,
    relays: [],
    timeMs: Date.now(),
  });
  const timeMs = Date.now();
  const instance = "0123456789abcdef";
  const claim = { kind: "ants.claim", body: { instance, label: "bench", identity: hash }, timeMs };
  const [first] = createBatch({ did, seed, epoch: 1, drafts: [claim] });
  let after = { epoch: 1, seq: 0, id: first!.id };
  const lines: string[] = [];
  while (lines.length < count) {
    const size = Math.min(batchEvents, count - lines.length);
    const drafts = Array.from({ length: size }, (_, i) => ({ kind: "note", body: note(lines.length + i), timeMs }));
    const batch = createBatch({ did, seed, epoch: 1, after, drafts });
    for (const event of batch) lines.push(event.line);
    after = { epoch: 1, seq: lines.length, id: batch.at(-1)!.id };
  }
  return { opening: encodeFrame({ t: "publish", ref: 0, epoch: 1 }, [line, first!.line]), lines };
}

/** The agent's events as publish frames with refs from 1. */
export function framesOf(agent: LoadedAgent, frameEntries: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let i = 0; i < agent.lines.length; i += frameEntries) {
    frames.push(
      encodeFrame({ t: "publish", ref: frames.length + 1, epoch: 1 }, agent.lines.slice(i, i + frameEntries)),
    );
  }
  return frames;
}
