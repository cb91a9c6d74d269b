import { describe, expect, it } from "vitest";
import { deactivateIdentity, rotateIdentity, updateIdentity } from "../../../keys/identity/create.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { OperationSet } from "../../../keys/identity/operation-set.js";
import { generateSeed, publicKeyFromSeed } from "../../../keys/index.js";
import { MAX_BRANCHES, UPDATES_TO_SETTLE } from "../../../relay/admission/era-room.js";
import { IdentityView } from "../../../relay/admission/identity-view.js";
import { type Agent, agent, asEntry, Bench, codeOf } from "./bench.js";

let timeMs = 10;

function update(parent: ParsedOperation, { seed }: Pick<Agent, "seed">, over: readonly ParsedOperation[] = []) {
  const losers = over.length === 0 ? {} : { over: over.map(({ hash }) => hash) };
  return updateIdentity({ parent, signSeed: seed, changes: {}, timeMs: ++timeMs, ...losers }).parsed;
}

function rotate({ recovery }: Agent, parent: ParsedOperation) {
  const seed = generateSeed();
  const operation = rotateIdentity({
    parent,
    revealSeeds: [recovery[0]!],
    newSignSeeds: [seed],
    nextRecoveryKeys: [publicKeyFromSeed(recovery[1]!)],
    changes: {},
    timeMs: ++timeMs,
  }).parsed;
  return { seed, operation };
}

/** A relay that knows one agent, and takes so many updates an era. */
function started(maxOperationsPerEra = 1_000) {
  const relay = new Bench({ maxOperationsPerEra });
  const scout = agent();
  const send = (operation: ParsedOperation) => codeOf(relay.send(asEntry(operation)));
  expect(send(scout.genesis)).toBe("stored");
  return { relay, scout, send };
}

describe("the room for one era's updates at a relay", () => {
  it("counts all branches together, and leaves some for settlements", () => {
    const { relay, scout, send } = started(20);
    const heads = Array.from({ length: 4 }, () => update(scout.genesis, scout));
    for (const [i, head] of heads.entries()) {
      expect(send(head)).toBe("stored");
      for (let more = 0; more < 4; more++) {
        heads[i] = update(heads[i]!, scout);
        expect(send(heads[i]!)).toBe("stored");
      }
    }
    relay.restart();
    for (const parent of [scout.genesis, ...heads]) expect(send(update(parent, scout))).toBe("identity-era-full");
    const [first, ...losers] = heads;
    const settled = update(first!, scout, losers);
    expect(send(settled)).toBe("stored");
    expect(relay.admission.agent(scout.did)?.keys.newest?.hash).toBe(settled.hash);
  });

  it("is 16 branches, and more for a settlement; who is on a branch goes on", () => {
    const { relay, scout, send } = started();
    const heads = Array.from({ length: MAX_BRANCHES }, () => update(scout.genesis, scout));
    for (const head of heads) expect(send(head)).toBe("stored");
    expect(send(update(scout.genesis, scout))).toBe("identity-era-full");
    expect(send(heads[3]!)).toBe("duplicate");
    const [own, ...losers] = heads;
    const next = update(own!, scout);
    expect(send(next)).toBe("stored");
    expect(send(update(own!, scout))).toBe("identity-era-full");
    const settled = update(own!, scout, [...losers, next]);
    expect(send(settled)).toBe("stored");
    expect(relay.admission.agent(scout.did)?.keys.newest?.hash).toBe(settled.hash);
  });

  it("is used up by a thief for updates of every kind, and the owner's rotate opens an era with room again", () => {
    const { scout, send } = started(20);
    let last = scout.genesis;
    const grow = (over: readonly ParsedOperation[] = []) => {
      last = update(last, scout, over);
      return send(last);
    };
    for (let i = 0; i < 20; i++) expect(grow()).toBe("stored");
    const other = update(scout.genesis, scout);
    for (let i = 0; i < UPDATES_TO_SETTLE; i++) expect(grow([other])).toBe("stored");
    expect(grow([other])).toBe("identity-era-full");
    const { seed, operation } = rotate(scout, scout.genesis);
    expect(send(operation)).toBe("stored");
    expect(send(update(operation, { seed }))).toBe("stored");
  });

  it("never stops the owner from ending the DID", () => {
    const { scout, send } = started(1);
    const only = update(scout.genesis, scout);
    for (const code of ["stored", "duplicate"]) expect(send(only)).toBe(code);
    expect(send(update(only, scout))).toBe("identity-era-full");
    const end = deactivateIdentity({ parent: only, revealSeeds: [scout.recovery[0]!], timeMs: 9 });
    expect(send(end.parsed)).toBe("stored");
  });
});

describe("what a relay makes of thousands of operations", () => {
  it("is asked for after each of them without being worked out from all of them", () => {
    const scout = agent();
    const view = new IdentityView(new OperationSet(scout.did));
    view.add(scout.genesis);
    const siblings = Array.from({ length: 5_000 }, () => update(scout.genesis, scout));
    const before = process.cpuUsage();
    for (const sibling of siblings) {
      expect(view.add(sibling).status).toBe("added");
      if (!view.isLive(scout.key) || view.deactivated) throw new Error("an update takes no key away");
    }
    expect(view.newest?.hash).toBe(scout.genesis.hash);
    // Some 10 ms; with the whole set resolved for each it took more than 20 s.
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
  });
});
