import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { deactivateIdentity, rotateIdentity, updateIdentity } from "../../../keys/identity/create.js";
import { generateSeed, publicKeyFromSeed } from "../../../keys/index.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { MAX_FOREIGN_EVENTS } from "../../../relay/admission/foreign-room.js";
import type { VerifiedEvent } from "../../../relay/verified-frame.js";
import { judge } from "../../../src/protocol/chain.js";
import { MAX_SIBLINGS } from "../../../src/protocol/limits.js";
import { ChainTree, keyView } from "../../protocol/chain-tree.js";
import { type Agent, agent, asEntry, Bench, codeOf, event, promise } from "./bench.js";

describe("identity operations at a relay", () => {
  it("takes a genesis from anyone, then only what follows what is here", () => {
    const relay = new Bench();
    const scout = agent();
    const first = updateIdentity({ parent: scout.genesis, signSeed: scout.seed, changes: { handles: [] }, timeMs: 2 });
    const second = updateIdentity({ parent: first.parsed, signSeed: scout.seed, changes: { handles: [] }, timeMs: 3 });
    expect(codeOf(relay.send(asEntry(first.parsed)))).toBe("identity-needed");
    expect(codeOf(relay.send(asEntry(scout.genesis)))).toBe("stored");
    expect(codeOf(relay.send(asEntry(second.parsed)))).toBe("identity-needed");
    expect(codeOf(relay.send(asEntry(first.parsed)))).toBe("stored");
    expect(relay.send(asEntry(scout.genesis))).toEqual({ kind: "duplicate", position: 1 });
    relay.restart();
    expect(codeOf(relay.send(asEntry(second.parsed)))).toBe("stored");
    expect(relay.send(asEntry(first.parsed))).toEqual({ kind: "duplicate", position: 2 });
  });

  it("keeps a rival rotate as evidence, says so, and stays with the one it held first", () => {
    const relay = new Bench();
    const scout = agent();
    relay.send(asEntry(scout.genesis));
    const rotate = (timeMs: number) =>
      rotateIdentity({
        parent: scout.genesis,
        revealSeeds: [scout.recovery[0]!],
        newSignSeeds: [generateSeed()],
        nextRecoveryKeys: [publicKeyFromSeed(scout.recovery[1]!)],
        changes: {},
        timeMs,
      }).parsed;
    const [one, two] = [rotate(5), rotate(6)];
    expect(codeOf(relay.send(asEntry(one)))).toBe("stored");
    expect(relay.send(asEntry(two))).toMatchObject({ kind: "refused", code: "rival", kept: 3 });
    relay.restart();
    expect(relay.admission.agent(scout.did)?.keys.newest?.hash).toBe(one.hash);
    expect(relay.admission.agent(scout.did)?.keys.has(two.hash)).toBe(true);
  });

  it("refuses everything once the owner deactivated the DID", () => {
    const relay = new Bench();
    const scout = agent();
    relay.send(asEntry(scout.genesis));
    const claim = event(scout, "1.0");
    relay.send(claim, 1);
    const end = deactivateIdentity({ parent: scout.genesis, revealSeeds: [scout.recovery[0]!], timeMs: 9 });
    expect(codeOf(relay.send(asEntry(end.parsed)))).toBe("stored");
    expect(codeOf(relay.send(event(scout, "1.1", claim), 1))).toBe("key-not-live");
    expect(codeOf(relay.ask(promise(scout, 2, "i2")))).toBe("key-not-live");
  });
});

describe("promises at a relay", () => {
  let relay: Bench;
  let scout: Agent;
  beforeAll(() => {
    scout = agent();
  });

  const hosted = () => {
    relay = new Bench();
    relay.send(asEntry(scout.genesis));
    relay.ask(promise(scout, 1, "i1"));
    return relay;
  };

  it("needs the identity first, and a promise for this very stream", () => {
    const empty = new Bench();
    expect(codeOf(empty.ask(promise(scout, 1, "i1")))).toBe("identity-needed");
    empty.send(asEntry(scout.genesis));
    expect(codeOf(empty.ask(promise(scout, 1, "i1", { stream: "00000000000000bb" })))).toBe("wrong-stream");
    expect(codeOf(empty.ask(promise(scout, 1, "i1", { key: "z6MkStranger" })))).toBe("identity-needed");
    expect(codeOf(empty.ask(promise(scout, 1, "i1")))).toBe("stored");
  });

  it("is idempotent for the identical line, durable across a restart, and for nothing else", () => {
    hosted();
    expect(relay.ask(promise(scout, 1, "i1"))).toEqual({ kind: "duplicate", position: 2 });
    expect(relay.ask(promise(scout, 1, "i1", { id: "another line" }))).toMatchObject({ code: "fenced", promised: 1 });
    relay.restart();
    expect(relay.ask(promise(scout, 1, "i1"))).toEqual({ kind: "duplicate", position: 2 });
    expect(relay.ask(promise(scout, 1, "i9"))).toMatchObject({ code: "fenced", promised: 1 });
  });

  it("reaches at most 2^20 above everything promised", () => {
    hosted();
    expect(codeOf(relay.ask(promise(scout, 2 ** 20 + 2, "i2")))).toBe("epoch-order");
    expect(codeOf(relay.ask(promise(scout, 2 ** 20 + 1, "i2")))).toBe("stored");
  });

  it("leaves a holder that was just here alone, unless taken over, succeeded, or silent for a minute", () => {
    hosted();
    relay.holders.saw(scout.did, "i1");
    relay.nowMs = 30_000;
    expect(relay.ask(promise(scout, 2, "i2"))).toMatchObject({
      code: "held",
      holder: "i1",
      seenMs: 30_000,
      promised: 1,
    });
    expect(codeOf(relay.ask(promise(scout, 2, "i2", { takeover: true })))).toBe("stored");
    relay.holders.saw(scout.did, "i2");
    expect(codeOf(relay.ask(promise(scout, 3, "i3", { after: "i1" })))).toBe("held");
    expect(codeOf(relay.ask(promise(scout, 3, "i3", { after: "i2" })))).toBe("stored");
    relay.holders.saw(scout.did, "i3");
    relay.nowMs += 60_001;
    expect(codeOf(relay.ask(promise(scout, 4, "i4")))).toBe("stored");
  });

  it("leaves a holder alone while another instance of the agent only reads", () => {
    hosted();
    relay.holders.saw(scout.did, "i1");
    relay.nowMs = 10_000;
    relay.holders.saw(scout.did, "reader");
    expect(relay.ask(promise(scout, 2, "i2"))).toMatchObject({ code: "held", holder: "i1", seenMs: 10_000 });
    relay.nowMs = 60_001;
    expect(codeOf(relay.ask(promise(scout, 2, "i2")))).toBe("stored");
  });

  it("rises with a stored claim, and fences what is older", () => {
    hosted();
    const claim = event(scout, "1.0");
    const second = event(scout, "5.1", claim);
    expect(codeOf(relay.send(claim, 1))).toBe("stored");
    expect(codeOf(relay.send(second))).toBe("stored");
    expect(relay.send(event(scout, "1.1", claim), 1)).toMatchObject({
      code: "fenced",
      promised: 5,
      head: { epoch: 5 },
    });
    expect(codeOf(relay.ask(promise(scout, 5, "i5")))).toBe("fenced");
    expect(codeOf(relay.ask(promise(scout, 6, "i6")))).toBe("stored");
  });

  it("forgets the promises and claims of a key that was rotated away", () => {
    const other = agent();
    const rig = new Bench();
    rig.send(asEntry(other.genesis));
    const claim = event(other, "1.0");
    rig.send(claim, 1);
    rig.ask(promise(other, 900_000, "thief"));
    const next = generateSeed();
    const rotate = rotateIdentity({
      parent: other.genesis,
      revealSeeds: [other.recovery[0]!],
      newSignSeeds: [next],
      nextRecoveryKeys: [publicKeyFromSeed(other.recovery[1]!)],
      anchor: { epoch: claim.epoch, seq: claim.seq, id: "0".repeat(64) },
      changes: {},
      timeMs: 5,
    });
    expect(codeOf(rig.send(asEntry(rotate.parsed)))).toBe("stored");
    const owner = { ...other, key: encodeMultikey(publicKeyFromSeed(next)) };
    expect(codeOf(rig.ask(promise(owner, 2, "owner")))).toBe("stored");
    expect(codeOf(rig.ask(promise(other, 900_001, "thief")))).toBe("key-not-live");
  });
});

describe("events at a relay", () => {
  it("asks for the operation that a claim was made under", () => {
    const relay = new Bench();
    const scout = agent();
    relay.send(asEntry(scout.genesis));
    const missing = event(scout, "1.0", undefined, { instance: "i", identity: "f".repeat(64) });
    expect(codeOf(relay.send(missing, 1))).toBe("identity-needed");
    expect(codeOf(relay.send({ ...missing, identity: scout.genesis.hash }, 1))).toBe("stored");
  });

  it("takes a stranger's event only when it is addressed to somebody hosted here, and gives it its place later", () => {
    const relay = new Bench();
    const [host, guest] = [agent(), agent()];
    for (const each of [host, guest]) relay.send(asEntry(each.genesis));
    relay.send(event(host, "1.0"), 1);
    const claim = event(guest, "1.0");
    const first = event(guest, "1.1", claim);
    const letter = event(guest, "1.2", first, { to: [host.did] });
    const after = event(guest, "1.3", letter);
    expect(codeOf(relay.send(first))).toBe("gap");
    expect(relay.send(letter)).toEqual({ kind: "stored", position: 4 });
    expect(relay.send(letter)).toEqual({ kind: "duplicate", position: 4 });
    relay.restart();
    expect(relay.send(letter)).toEqual({ kind: "duplicate", position: 4 });
    expect(codeOf(relay.send(claim))).toBe("stored");
    expect(codeOf(relay.send(first))).toBe("stored");
    expect(relay.admission.agent(guest.did)?.head?.id).toBe(letter.id);
    expect(relay.send(letter)).toEqual({ kind: "duplicate", position: 4 });
    expect(relay.send(after)).toEqual({ kind: "stored", position: 7 });
    relay.commit();
    expect(relay.index.chainFrom(2, 0, 9).map(({ position }) => position)).toEqual([5, 6, 4, 7]);
  });

  it("gives thousands of strangers' events their place one after the other, as an old log may ask for", () => {
    const relay = new Bench();
    const guest = agent();
    const letters = [event(guest, "1.0")];
    for (let seq = 1; seq <= 6_000; seq++) letters.push(event(guest, `1.${seq}`, letters.at(-1)));
    const log = [asEntry(guest.genesis), ...letters.slice(1), letters[0]!];
    for (const [i, entry] of log.entries()) relay.admission.replay(entry, i + 1);
    expect(relay.admission.agent(guest.did)).toMatchObject({
      head: { id: letters.at(-1)!.id },
      details: { events: 6_001, foreign: 0 },
    });
    const group = relay.admission.closeGroup()!;
    expect(group.entries).toHaveLength(6_002);
    expect(group.tree.filter(({ op }) => op === "place")).toHaveLength(6_001);
  });

  it("keeps so many of a stranger's events and no more until its chain comes, and none that no chain reaches", () => {
    const relay = new Bench();
    const [host, guest] = [agent(), agent()];
    for (const each of [host, guest]) relay.send(asEntry(each.genesis));
    relay.send(event(host, "1.0"), 1);
    const to = [host.did];
    const far = (epoch: number, seq: number) => event(guest, `${epoch}.${seq}`, { ...claim, epoch }, { to });
    const claim = event(guest, "1.0");
    const letters = [claim];
    for (let seq = 1; seq <= MAX_FOREIGN_EVENTS + 1; seq++)
      letters.push(event(guest, `1.${seq}`, letters.at(-1), { to }));
    expect(codeOf(relay.send(far(Number.MAX_SAFE_INTEGER, 5)))).toBe("epoch-order");
    expect(codeOf(relay.send(far(2 ** 20 * 6 + 1, 5)))).toBe("epoch-order");
    expect(codeOf(relay.send(far(1, Number.MAX_SAFE_INTEGER - 1)))).toBe("epoch-order");
    for (const letter of letters.slice(1, -1)) expect(codeOf(relay.send(letter))).toBe("stored");
    expect(codeOf(relay.send(letters.at(-1)!))).toBe("gap");
    expect(codeOf(relay.send(letters[1]!))).toBe("duplicate");
    relay.commit();
    expect(codeOf(relay.send(claim))).toBe("stored");
    expect(codeOf(relay.send(letters.at(-1)!))).toBe("stored");
    relay.commit();
    expect(relay.admission.agent(guest.did)?.head?.id).toBe(letters.at(-1)!.id);
  });

  it("takes pruned lines from their author's backfill only, and the full line in their place later", () => {
    const relay = new Bench();
    const scout = agent();
    relay.send(asEntry(scout.genesis));
    const claim = event(scout, "1.0");
    relay.send(claim, 1);
    const full = event(scout, "1.1", claim);
    const pruned = { ...full, pruned: true };
    expect(codeOf(relay.send(pruned, 2))).toBe("pruned-line");
    expect(codeOf(relay.send(pruned, 1, scout.did))).toBe("pruned-line");
    expect(relay.send(pruned, 2, scout.did)).toEqual({ kind: "stored", position: 3 });
    relay.commit();
    expect(relay.send(pruned, 2, scout.did)).toEqual({ kind: "duplicate", position: 3 });
    expect(relay.send(full, 2)).toEqual({ kind: "stored", position: 4 });
    relay.commit();
    expect(relay.send(full, 2)).toEqual({ kind: "duplicate", position: 4 });
    expect(relay.admission.agent(scout.did)?.head?.id).toBe(full.id);
  });
});

const isFull = (tree: ChainTree, { epoch, seq }: VerifiedEvent) => tree.idsAt(epoch, seq).length >= MAX_SIBLINGS;

describe("one place of a chain", () => {
  /** A relay at which epoch 2 goes on from 1.1, and 1.2 is filled up by the same key. */
  function crowded() {
    const relay = new Bench();
    const scout = agent();
    relay.send(asEntry(scout.genesis));
    const claim = event(scout, "1.0");
    const first = event(scout, "1.1", claim);
    for (const each of [claim, first]) relay.send(each, 1);
    const siblings = Array.from({ length: MAX_SIBLINGS }, (_, i) => event(scout, "1.2", first, { id: `1.2#${i}` }));
    const second = event(scout, "2.2", first);
    relay.send(second, 2);
    for (const [i, sibling] of siblings.entries()) {
      expect(codeOf(relay.send(sibling, 2))).toBe("stored");
      if (i % 3 === 0) relay.commit();
    }
    return { relay, scout, first, second, siblings };
  }

  it("takes so many events and no more of a live key, and answers for those that it took", () => {
    const { relay, scout, first, siblings } = crowded();
    const more = event(scout, "1.2", first, { id: "1.2#more" });
    for (const stated of [2, 3, undefined]) {
      expect(relay.send(more, stated)).toMatchObject({ kind: "refused", code: "fork", forkOf: "1.2#0" });
    }
    relay.restart();
    expect(codeOf(relay.send(more, 2))).toBe("fork");
    for (const sibling of siblings) expect(codeOf(relay.send(sibling, 2))).toBe("duplicate");
  });

  it("has room for what a rotate's anchor confirms, whoever filled it", () => {
    const { relay, scout, first } = crowded();
    const good = event(scout, "1.2", first, { id: "1".repeat(64) });
    const rotate = rotateIdentity({
      parent: scout.genesis,
      revealSeeds: [scout.recovery[0]!],
      newSignSeeds: [generateSeed()],
      nextRecoveryKeys: [publicKeyFromSeed(scout.recovery[1]!)],
      anchor: { epoch: 1, seq: 2, id: good.id },
      changes: {},
      timeMs: 5,
    });
    expect(codeOf(relay.send(asEntry(rotate.parsed)))).toBe("stored");
    expect(codeOf(relay.send(good))).toBe("stored");
    expect(relay.admission.agent(scout.did)?.head?.id).toBe(good.id);
  });
});

describe("admission over random histories", () => {
  const scout = agent();
  const step = fc.record({
    parent: fc.nat(),
    claimBy: fc.integer({ min: 0, max: 3 }),
    stated: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
    twin: fc.boolean(),
    again: fc.integer({ min: 0, max: 4 }),
    after: fc.constantFrom("go on", "go on", "commit", "restart"),
  });

  it("answers as the plain tree does, wherever groups end and the relay restarts; its log replays to the same state", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const relay = new Bench();
        relay.send(asEntry(scout.genesis));
        const plain = new ChainTree(keyView([[scout.key]]));
        const made = [event(scout, "1.0")];
        const both = (sent: VerifiedEvent, stated: number | undefined) => {
          const epoch = stated ?? Number.POSITIVE_INFINITY;
          const judged = judge(plain, epoch, sent);
          const isOneTooMany = judged.kind === "store" && !judged.movesHead && isFull(plain, sent);
          const verdict = isOneTooMany ? ({ kind: "refuse", code: "fork" } as const) : plain.take(epoch, sent);
          const outcome = relay.send(sent, stated);
          const expected =
            verdict.kind === "refuse" ? verdict.code : verdict.kind === "store" ? "stored" : verdict.kind;
          expect(codeOf(outcome)).toBe(expected);
          expect(relay.admission.agent(scout.did)?.head?.id).toBe(plain.head?.id);
          expect(relay.admission.agent(scout.did)?.promised).toBe(plain.promised);
        };
        both(made[0]!, 1);
        for (const [i, { parent, claimBy, stated, twin, again, after }] of steps.entries()) {
          const from = made[parent % made.length]!;
          const name = `${from.epoch + claimBy}.${from.seq + 1}`;
          const sent =
            again === 0 ? from : event(scout, name, from, { id: twin ? `${name}#${i}` : `${name}<${from.id}` });
          both(sent, stated);
          if (again !== 0) made.push(sent);
          if (after === "commit") relay.commit();
          if (after === "restart") relay.restart();
        }
        relay.commit();
        expect(relay.index.chainFrom(1, 0, 99).map(({ id }) => id)).toEqual(
          plain
            .chain()
            .map(({ id }) => id)
            .reverse(),
        );

        const second = new Bench();
        for (const [i, entry] of relay.log.entries()) {
          second.log.push(entry);
          second.admission.replay(entry, i + 1);
          if (i % 7 === 0) second.commit();
        }
        second.commit();
        expect(second.index.agentByNo(1)).toEqual(relay.index.agentByNo(1));
        expect(second.index.chainFrom(1, 0, 99)).toEqual(relay.index.chainFrom(1, 0, 99));
      }),
      { numRuns: 300 },
    );
  });
});
