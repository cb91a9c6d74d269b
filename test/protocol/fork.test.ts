import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { createBatch } from "../../src/protocol/batch.js";
import { parseEvent, pruneEvent } from "../../src/protocol/event.js";
import { HEAL_KIND, healedForks, verifyFork } from "../../src/protocol/fork.js";
import { Author } from "../simulation/author.js";
import { SimRandom } from "../simulation/sim-random.js";

const codeOf = (work: () => unknown) => {
  try {
    work();
    return "nothing";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("a fork proof", () => {
  const random = new SimRandom(7);
  const author = new Author(random, []);
  const claim = author.claim(1);
  const here = author.notes(3, claim, () => ({ body: { by: "one" } }));
  const there = author.notes(1, claim, () => ({ body: { by: "the other" } }));

  it("is two lines that anyone verifies, in whatever order and whether or not they were signed in batches", () => {
    const proof = verifyFork(here[0]!.line, there[0]!.line);
    expect(proof).toMatchObject({ did: author.did, epoch: 1, seq: 1 });
    expect(verifyFork(utf8(there[0]!.line), utf8(here[0]!.line)).events.map(({ id }) => id)).toEqual(
      proof.events.map(({ id }) => id),
    );
    expect(new Set(proof.events.map(({ id }) => id))).toEqual(new Set([here[0]!.id, there[0]!.id]));
  });

  it("holds for bodies that were forgotten", () => {
    expect(verifyFork(pruneEvent(here[0]!.line), there[0]!.line).seq).toBe(1);
  });

  it("is nothing else", () => {
    const stranger = new Author(random, []);
    const strange = stranger.notes(1, stranger.claim(1))[0]!;
    for (const [a, b] of [
      [here[0]!.line, here[0]!.line],
      [here[0]!.line, pruneEvent(here[0]!.line)],
      [here[0]!.line, here[1]!.line],
      [here[0]!.line, strange.line],
      [here[0]!.line, "{}"],
      [here[0]!.line, there[0]!.line.replace("the other", "nobody")],
      [author.genesis.line, there[0]!.line],
    ] as const) {
      expect(codeOf(() => verifyFork(a, b))).toBe("fork-unproven");
      expect(codeOf(() => verifyFork(b, a))).toBe("fork-unproven");
    }
  });

  it("breaks with any bit that is changed in either line", () => {
    const [a, b] = [utf8(here[0]!.line), utf8(there[0]!.line)];
    fc.assert(
      fc.property(fc.nat(a.length - 1), fc.nat(7), fc.boolean(), (at, bit, first) => {
        const changed = (first ? a : b).slice();
        if (at >= changed.length) return;
        changed[at]! ^= 1 << bit;
        expect(codeOf(() => (first ? verifyFork(changed, b) : verifyFork(a, changed)))).toBe("fork-unproven");
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

it("a heal names the forks that it joins; what is malformed in it names nothing", () => {
  const author = new Author(new SimRandom(8), []);
  const claim = author.claim(1);
  const fork = { epoch: 1, seq: 4, key: "z6Mk", ids: ["aa", "bb"] };
  const heal = (kind: string, forks: unknown) => {
    const { epoch, seq, id } = claim.event;
    const drafts = [{ kind, body: { forks } as never, timeMs: 0 }];
    const [event] = createBatch({ did: author.did, seed: author.seed, epoch, after: { epoch, seq, id }, drafts });
    return healedForks(parseEvent(utf8(event!.line)));
  };
  expect(heal(HEAL_KIND, [fork])).toEqual([fork]);
  expect(heal(HEAL_KIND, [fork, { ...fork, ids: "aa" }, 3, {}])).toEqual([fork]);
  expect(heal(HEAL_KIND, "all of them")).toEqual([]);
  expect(heal("note", [fork])).toEqual([]);
});
