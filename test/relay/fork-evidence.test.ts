import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createNodeDisk } from "../../keys/node/disk.js";
import type { Disk } from "../../keys/ports.js";
import { ForkEvidence, type ForkEvidenceOptions, type ForkPlace, type ForkProof } from "../../relay/fork-evidence.js";
import { nodeLogFiles } from "../../relay/log/log-files.js";
import { verifyFork } from "../../src/protocol/fork.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { did, key, note, one, resigned } from "../protocol/author.js";

const disk = createNodeDisk({ label: "a test" });
const PROOF_BYTES = 2 ** 11;

function optionsFor(more: Partial<ForkEvidenceOptions> = {}): ForkEvidenceOptions {
  return {
    disk,
    files: nodeLogFiles,
    path: join(temporaryFolder(), "forks.ndjson"),
    numberOf: () => undefined,
    ...more,
  };
}

const NOTES = ["one", "two"].map((text) => one(note(text)));

/** Two notes for one place. */
function fork(seq: number, more: Record<string, unknown> = {}): [ForkPlace, ForkProof] {
  const lines = NOTES.map((event) => resigned(event, { seq, ...more }));
  return [{ did, epoch: 1, seq, key, ...more }, [lines[0]!, lines[1]!]];
}

/** Two lines that look like it; what was verified when it came is not verified again. */
const unsignedFork = (seq: number, more: Record<string, unknown>) => fork(seq, { sig: "A".repeat(86), ...more });

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
/** A DID of its own for each number. */
function stranger(n: number): string {
  const digits = [...n.toString(32).padStart(6, "0")].map((digit) => LETTERS[Number.parseInt(digit, 32)]!);
  return `did:ants:${"c".repeat(45)}${digits.join("")}a`;
}

const seqsOf = (evidence: ForkEvidence, of = did) =>
  [...evidence.proofs(of).keys()].map((name) => Number(name.split(" ")[1]));

describe("the fork proofs of a relay", () => {
  it("are kept without bodies, verify alone, and are there after a restart", async () => {
    const options = optionsFor();
    const evidence = await ForkEvidence.open(options);
    await evidence.add(...fork(7));
    for (const each of [evidence, await ForkEvidence.open(options)]) {
      const [[first, second]] = [...each.proofs(did).values()] as [ForkProof];
      expect(verifyFork(first, second)).toMatchObject({ did, epoch: 1, seq: 7, key });
      expect(new TextDecoder().decode(first)).not.toContain('"body":');
    }
  });

  it("are one a place and four a key, of which the newest are kept", async () => {
    const options = optionsFor();
    const evidence = await ForkEvidence.open(options);
    for (const seq of [1, 2, 3, 3, 4, 5, 6]) await evidence.add(...fork(seq));
    expect(seqsOf(evidence)).toEqual([3, 4, 5, 6]);
    expect(seqsOf(await ForkEvidence.open(options))).toEqual([3, 4, 5, 6]);
  });

  it("are none of events for somebody only, which nobody would be shown", async () => {
    const evidence = await ForkEvidence.open(optionsFor());
    await evidence.add(...fork(7, { to: [stranger(1)] }));
    expect(evidence.proofs(did).size).toBe(0);
  });

  it("stay where a stranger makes a thousand agents that fork, whoever was first", async () => {
    const room = 100;
    const numbers = new Map<string, number>([[did, 1]]);
    const options = optionsFor({ numberOf: (of) => numbers.get(of), maxBytes: room * PROOF_BYTES });
    const evidence = await ForkEvidence.open(options);
    const flood = async (from: number, count: number) => {
      for (let n = from; n < from + count; n++) numbers.set(stranger(n), n + 2);
      await Promise.all(
        Array.from({ length: count }, (_, n) => evidence.add(...unsignedFork(7, { did: stranger(from + n) }))),
      );
      expect(evidence.bytes).toBeLessThanOrEqual(room * PROOF_BYTES);
    };
    await evidence.add(...fork(7));
    await flood(0, 500);
    expect(seqsOf(evidence)).toEqual([7]);
    await evidence.add(...fork(9));
    await flood(500, 500);
    // When it is full the second one goes; one is enough.
    expect(seqsOf(evidence)).toEqual([9]);
    const again = await ForkEvidence.open(options);
    expect(seqsOf(again)).toContain(9);
    expect(again.bytes).toBeLessThanOrEqual(room * PROOF_BYTES);
  });

  it("stay where a stranger's one agent forks in many places by many keys", async () => {
    const room = 100;
    const options = optionsFor({ numberOf: (of) => (of === did ? 1000 : 1), maxBytes: room * PROOF_BYTES });
    const evidence = await ForkEvidence.open(options);
    await evidence.add(...fork(7));
    for (let n = 0; n < 60; n++) {
      const key = `z6Mk${n}`;
      for (let seq = 0; seq < 6; seq++) {
        const [, lines] = unsignedFork(seq + 1, { did: stranger(1) });
        await evidence.add({ did: stranger(1), epoch: 1, seq: seq + 1, key }, lines);
      }
    }
    expect(evidence.proofs(stranger(1)).size).toBeLessThan(room);
    expect(seqsOf(evidence)).toEqual([7]);
  });

  it("are whole after a crash in the middle of an append, wherever it was cut off", async () => {
    const options = optionsFor();
    const evidence = await ForkEvidence.open(options);
    await evidence.add(...fork(1));
    const before = statSync(options.path).size;
    await evidence.add(...fork(2));
    const file = readFileSync(options.path);
    const firstLine = file.indexOf(0x0a, before) + 1;
    for (const size of [before + 1, firstLine - 1, firstLine, firstLine + 9, file.length - 1]) {
      writeFileSync(options.path, file);
      truncateSync(options.path, size);
      const opened = await ForkEvidence.open(options);
      expect(statSync(options.path).size).toBe(before);
      expect(seqsOf(opened)).toEqual([1]);
      await opened.add(...fork(3));
      expect(seqsOf(await ForkEvidence.open(options))).toEqual([1, 3]);
    }
  });

  it("are served from a disk that can no longer be written", async () => {
    const options = optionsFor();
    await (await ForkEvidence.open(options)).add(...fork(1));
    appendFileSync(options.path, "torn");
    const full = async () => {
      throw new Error("no space is left");
    };
    const opened = await ForkEvidence.open({
      ...options,
      disk: { ...disk, append: full, replace: full, truncate: full },
    });
    expect(seqsOf(opened)).toEqual([1]);
  });

  it("are found behind half a pair that an earlier version left in the middle", async () => {
    const options = optionsFor();
    const [, [first, second]] = fork(1);
    const [, [, other]] = fork(2);
    const text = (line: Uint8Array) => `${new TextDecoder().decode(line)}\n`;
    for (const line of [text(other), '{"torn":', text(first), text(first), text(second)]) {
      appendFileSync(options.path, line);
    }
    expect(seqsOf(await ForkEvidence.open(options))).toEqual([1]);
  });

  it("reach the disk with the next one where a write failed", async () => {
    let isFailing = true;
    const failing: Disk = {
      ...disk,
      append: async (path, bytes) => {
        if (isFailing) {
          appendFileSync(path, bytes.subarray(0, 100));
          throw new Error("the disk failed");
        }
        await disk.append(path, bytes);
      },
    };
    const options = optionsFor({ disk: failing });
    const evidence = await ForkEvidence.open(options);
    await expect(evidence.add(...fork(1))).rejects.toThrow("the disk failed");
    isFailing = false;
    await evidence.add(...fork(2));
    expect(seqsOf(await ForkEvidence.open(options))).toEqual([1, 2]);
  });
});
