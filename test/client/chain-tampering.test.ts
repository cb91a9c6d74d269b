import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { ChainStore } from "../../src/client/chain-store.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { Author } from "../simulation/author.js";
import { SimDisk } from "../simulation/sim-disk.js";
import { SimRandom } from "../simulation/sim-random.js";

const author = new Author(new SimRandom(1), [{ url: "ws://a.test", stream: "0000000000000001" }]);
const identity = new IdentityLog(author.did, [author.genesis.line]);
const lines = author.chain(12).map(({ line }) => `${line}\n`);
const FILE = "chain/000000000000.ndjson";

/** Opens a chain whose file has these bytes; returns how many events stand on it, or throws as the store does. */
async function verify(bytes: Uint8Array, mode: "ends" | "all" = "all"): Promise<number> {
  const disk = new SimDisk([[FILE, bytes]]);
  const chain = await ChainStore.open({ disk, folder: "chain", did: author.did, keys: identity, verify: mode });
  return chain.head === undefined ? 0 : chain.head.seq + 1;
}

describe("an agent's chain that somebody changed on disk (E1)", () => {
  it("is whole as it was written", async () => {
    expect(await verify(utf8(lines.join("")))).toBe(lines.length);
  });

  it("with one bit of any byte flipped is refused, naming the line; in the last line, it is a torn end", async () => {
    const whole = utf8(lines.join(""));
    // Without the newline before it the last line is part of the one before.
    const lastStart = utf8(lines.slice(0, -1).join("")).length - 1;
    for (let at = 0; at < whole.length; at++) {
      const changed = whole.slice();
      changed[at]! ^= 1 << (at % 8);
      const line =
        utf8(lines.join(""))
          .subarray(0, at)
          .filter((byte) => byte === 0x0a).length + 1;
      if (at < lastStart) {
        await expect(verify(changed)).rejects.toMatchObject({ code: "chain-damaged", details: { line } });
      } else {
        // A signature that does not verify is no crash's work; what is no event may be.
        const outcome = await verify(changed).catch((error: { code: string }) => error.code);
        expect([lines.length - 1, lines.length - 2, "chain-damaged"]).toContain(outcome);
      }
    }
  });

  it.each([
    ["dropped", [...lines.slice(0, 5), ...lines.slice(6)]],
    ["swapped with the next", [...lines.slice(0, 5), lines[6]!, lines[5]!, ...lines.slice(7)]],
    ["there twice", [...lines.slice(0, 6), ...lines.slice(5)]],
  ])("with a line %s is refused", async (_what, changed) => {
    await expect(verify(utf8(changed.join("")))).rejects.toMatchObject({
      code: "chain-damaged",
      details: { line: expect.toSatisfy((line: number) => line === 6 || line === 7) },
    });
  });

  it("with a line dropped still opens for work: what lost its place is fetched again, and then all is well", async () => {
    const gappy = [...lines.slice(0, 5), ...lines.slice(6)];
    expect(await verify(utf8(gappy.join("")), "ends")).toBe(5);
    const fetched = [...gappy, ...lines.slice(5)];
    expect(await verify(utf8(fetched.join("")))).toBe(lines.length);
  });

  it("with its end cut anywhere loses only the line that was cut", async () => {
    const whole = utf8(lines.join(""));
    for (let size = 0; size <= whole.length; size += 7) {
      const kept = whole.subarray(0, size).filter((byte) => byte === 0x0a).length;
      expect(await verify(whole.subarray(0, size))).toBe(kept);
    }
  });
});
