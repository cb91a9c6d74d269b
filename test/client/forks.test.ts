import { describe, expect, it } from "vitest";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { systemRandom } from "../../keys/ports.js";
import type { RelayConnection } from "../../src/client/connection.js";
import { canJoin, type ForkSurvey, handProofs, surveyForks } from "../../src/client/forks.js";
import type { RelayPool } from "../../src/client/relay-pool.js";
import { createBatch } from "../../src/protocol/batch.js";
import { parseEvent } from "../../src/protocol/event.js";
import { HEAL_KIND, verifyFork } from "../../src/protocol/fork.js";
import { World } from "../simulation/world.js";

const URL = "ws://a.example:7777";
const world = new World();
const { did } = world;
const [oldSeed, newSeed] = [world.random.bytes(32), world.random.bytes(32)];
const keyOf = (seed: Uint8Array) => encodeMultikey(publicKeyFromSeed(seed));
/** The second key came with a rotate. */
const keys = {
  rotationsOf: (key: string) => [keyOf(oldSeed), keyOf(newSeed)].indexOf(key),
  operations: () => [],
};

function line(seed: Uint8Array, epoch: number, kind: string, body: object): Uint8Array {
  const after = { epoch, seq: 4, id: "0".repeat(64) };
  const draft = { kind, body: body as never, timeMs: 0 };
  const [signed] = createBatch({ did, seed, epoch, after, drafts: [draft], random: systemRandom });
  return new TextEncoder().encode(signed!.line);
}

const fork = [line(oldSeed, 5, "note", { text: "one" }), line(oldSeed, 5, "note", { text: "two" })] as const;
const proof = verifyFork(...fork);

/** What is known of the fork where a relay has this heal of it. */
async function surveyWith(seed: Uint8Array, epoch: number): Promise<ForkSurvey["forks"]> {
  const { seq, key, events } = proof;
  const heal = line(seed, epoch, HEAL_KIND, { forks: [{ epoch: 5, seq, key, ids: events.map(({ id }) => id) }] });
  const connection = {
    url: URL,
    opened: () => Promise.resolve(),
    async *follow() {
      yield { entries: [heal] };
    },
  };
  const newline = new Uint8Array([10]);
  const { forks } = await surveyForks({
    did,
    log: keys,
    urls: [URL],
    pool: { get: () => connection, whyAway: () => undefined } as unknown as RelayPool,
    ports: {
      ...world.ports,
      get: async () => ({ status: 200, body: Buffer.concat([fork[0], newline, fork[1], newline]) }),
    },
    timeoutMs: 1_000,
    signal: new AbortController().signal,
  });
  return forks;
}

describe("a fork", () => {
  it.each([
    ["by an event of a later epoch is joined", oldSeed, 6, true],
    ["by one of the same epoch is not", oldSeed, 5, false],
    ["by one of an earlier epoch is not", oldSeed, 4, false],
    ["by a key of a later era is joined, whatever its epoch", newSeed, 2, true],
  ])("%s", async (_, seed, epoch, isHealed) => {
    expect(await surveyWith(seed, epoch)).toMatchObject([{ isHealed }]);
  });

  it("by a key of an earlier era than its own is not joined", async () => {
    const a = line(newSeed, 5, "note", { text: "one" });
    const b = line(newSeed, 5, "note", { text: "two" });
    const { epoch, key } = verifyFork(a, b);
    expect(canJoin(parseEvent(line(oldSeed, 99, "note", {})).event, { epoch, key }, keys)).toBe(false);
  });
});

it("a relay that answers nothing is waited for once, however many proofs there are for it", async () => {
  const silent = {
    url: URL,
    opened: () => Promise.resolve(),
    publish: (_: unknown, { signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  };
  const fromMs = world.clock.monotonicMs();
  const proofs = Array.from({ length: 64 }, () => proof);
  const { signal } = new AbortController();
  await world.clock.run(handProofs(silent as unknown as RelayConnection, proofs, world.ports, signal));
  expect(world.clock.monotonicMs() - fromMs).toBe(5_000);
});
