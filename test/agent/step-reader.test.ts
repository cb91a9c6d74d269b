import { expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { generateSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { systemRandom as random } from "../../keys/ports.js";
import { StepReader } from "../../src/agent/step-reader.js";
import { intentToBody, STEP_KIND } from "../../src/agent/step-records.js";
import type { ChainStore } from "../../src/client/chain-store.js";
import { createBatch } from "../../src/protocol/batch.js";
import { sealBody } from "../../src/protocol/private-body.js";

const did = `did:ants:${"a".repeat(52)}` as const;
const stateKey = new Uint8Array(32).fill(7);

/** An intent at seq 1 of some agent, as its line. */
function intentLine(): Uint8Array {
  const place = { did, epoch: 1, seq: 1, kind: STEP_KIND };
  const body = sealBody(intentToBody({ key: "order-1", name: "pay", attempt: 1 }), stateKey, place, random);
  const [signed] = createBatch({
    did,
    seed: generateSeed(),
    epoch: 1,
    after: { epoch: 1, seq: 0, id: "0".repeat(64) },
    drafts: [{ kind: STEP_KIND, body, timeMs: 1 }],
    random,
  });
  return utf8(signed!.line);
}

it("counts no attempt twice after the disk failed in the middle of a reading", async () => {
  const line = intentLine();
  let isBroken = true;
  // Two pages, of which the second cannot be read the first time.
  const chain = {
    head: { epoch: 1, seq: 2, id: "2".repeat(64) },
    tree: { onChain: () => true },
    read: async (seq: number) => {
      if (seq < 2) return [line.subarray(), utf8("{}")].slice(seq === 0 ? 0 : 1);
      if (isBroken) throw new AntsError("disk-failed", "the disk failed");
      return [utf8("{}")];
    },
  } as unknown as ChainStore;
  const reader = new StepReader(chain, [stateKey]);
  await expect(reader.read()).rejects.toMatchObject({ code: "disk-failed" });
  isBroken = false;
  expect((await reader.read()).get("order-1")).toMatchObject({ state: "unknown", attempts: 1 });
});
