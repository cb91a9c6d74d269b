import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deactivateIdentity, rotateIdentity, updateIdentity } from "../../../keys/identity/create.js";
import { type ParsedOperation, parseOperation, signedBytes } from "../../../keys/identity/operation.js";
import type { IdentityOperation } from "../../../keys/identity/shape.js";
import { base64url, canonicalize, generateSeed, publicKeyFromSeed, sign, utf8 } from "../../../keys/index.js";
import { HANDLE_RESERVE_MS } from "../../../relay/admission/handle-book.js";
import type { HandleHold } from "../../../relay/index/index-group.js";
import { type Agent, agent, asEntry, Bench, codeOf, event, promise } from "./bench.js";

const HANDLE = "scout@relay.example";
let timeMs = 10;

/** An update by the agent's first key. */
function listing(who: Agent, parent: ParsedOperation, ...handles: string[]): ParsedOperation {
  return updateIdentity({ parent, signSeed: who.seed, changes: { handles }, timeMs: ++timeMs }).parsed;
}

function rotated(who: Agent, parent: ParsedOperation, handles?: readonly string[]): ParsedOperation {
  return rotateIdentity({
    parent,
    revealSeeds: [who.recovery[0]!],
    newSignSeeds: [generateSeed()],
    nextRecoveryKeys: [publicKeyFromSeed(who.recovery[1]!)],
    changes: handles === undefined ? {} : { handles },
    timeMs: ++timeMs,
  }).parsed;
}

/** The same, with a number that no relay takes; it is signed all the same. */
function misnumbered(who: Agent, operation: ParsedOperation): ParsedOperation {
  const { sigs: _, ...statement } = { ...operation.op, n: operation.op.n + 1 };
  const sigs = [{ key: who.key, sig: base64url(sign(signedBytes(statement as IdentityOperation), who.seed)) }];
  return parseOperation(utf8(canonicalize({ ...statement, sigs })));
}

/** An agent that is here, with something of somebody else's behind its genesis. */
function here(relay: Bench): Agent {
  const who = agent();
  relay.send(asEntry(who.genesis));
  relay.send(asEntry(agent().genesis));
  return who;
}

function holder(relay: Bench, handle = HANDLE): HandleHold | undefined {
  relay.commit();
  return relay.index.handle(handle);
}

/** The handles as they are when everything derived is thrown away and read from the log again. */
function rebuilt(relay: Bench): Map<string, HandleHold> {
  relay.commit();
  const again = new Bench();
  again.nowMs = relay.nowMs;
  for (const [i, entry] of relay.log.entries()) {
    again.log.push(entry);
    again.admission.replay(entry, i + 1);
  }
  again.commit();
  return again.index.handles;
}

/** Whose each handle is, without when it was dropped: that part starts anew. */
function owners(handles: ReadonlyMap<string, HandleHold>): Record<string, string> {
  return Object.fromEntries([...handles].map(([handle, { did, at }]) => [handle, `${did} ${at}`]));
}

describe("a handle under the relay's own host", () => {
  it("is given to whoever lists it first, in a genesis or an update", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    const first = listing(one, one.genesis, HANDLE);
    expect(codeOf(relay.send(asEntry(first)))).toBe("stored");
    expect(relay.send(asEntry(listing(two, two.genesis, HANDLE)))).toMatchObject({
      code: "handle-taken",
      facts: { handle: HANDLE, reason: "listed" },
    });
    expect(holder(relay)).toMatchObject({ did: one.did });
    relay.restart();
    expect(codeOf(relay.send(asEntry(listing(two, two.genesis, HANDLE))))).toBe("handle-taken");
    expect(codeOf(relay.send(asEntry(listing(two, two.genesis, "other@relay.example"))))).toBe("stored");
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
  });

  it("is one thing before it is on disk as well", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    relay.send(asEntry(listing(one, one.genesis, HANDLE)));
    expect(codeOf(relay.send(asEntry(listing(two, two.genesis, HANDLE))))).toBe("handle-taken");
  });

  it("may be listed by anyone where it is under another host", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    for (const who of [one, two]) {
      const answer = relay.send(asEntry(listing(who, who.genesis, "scout@elsewhere.example", "scout.example")));
      expect(codeOf(answer)).toBe("stored");
    }
    // Should that host be this relay's one day, its first come is served.
    expect(holder(relay, "scout@elsewhere.example")).toMatchObject({ did: one.did });
  });

  it("stays its agent's for 90 days after it was dropped, and then is whose update lists it", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    const first = listing(one, one.genesis, HANDLE);
    relay.send(asEntry(first));
    relay.nowMs = 1_000;
    relay.send(event(one, "1.0"), 1);
    const dropped = listing(one, first);
    relay.send(asEntry(dropped));
    expect(holder(relay)).toMatchObject({ did: one.did, droppedMs: 1_000 });
    const wish = listing(two, two.genesis, HANDLE);
    relay.nowMs = 1_000 + HANDLE_RESERVE_MS - 1;
    expect(relay.send(asEntry(wish))).toMatchObject({
      code: "handle-taken",
      facts: { reason: "kept", untilMs: 1_000 + HANDLE_RESERVE_MS },
    });
    relay.nowMs += 1;
    expect(codeOf(relay.send(asEntry(wish)))).toBe("stored");
    expect(holder(relay)).toMatchObject({ did: two.did });
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
    expect(codeOf(relay.send(asEntry(listing(one, dropped, HANDLE))))).toBe("handle-taken");
  });

  it("is its agent's again where it lists it again in time", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    const first = listing(one, one.genesis, HANDLE);
    relay.send(asEntry(first));
    relay.send(event(one, "1.0"), 1);
    const second = listing(one, first);
    relay.send(asEntry(second));
    relay.nowMs = HANDLE_RESERVE_MS / 2;
    expect(codeOf(relay.send(asEntry(listing(one, second, HANDLE))))).toBe("stored");
    expect(holder(relay)).not.toHaveProperty("droppedMs");
    relay.nowMs = 3 * HANDLE_RESERVE_MS;
    expect(codeOf(relay.send(asEntry(listing(two, two.genesis, HANDLE))))).toBe("handle-taken");
  });

  it("is kept anew, never shorter, where the index had to be built again", () => {
    const relay = new Bench();
    const one = here(relay);
    const first = listing(one, one.genesis, HANDLE);
    relay.send(asEntry(first));
    relay.send(event(one, "1.0"), 1);
    relay.send(asEntry(listing(one, first)));
    relay.nowMs = HANDLE_RESERVE_MS - 1;
    expect(rebuilt(relay).get(HANDLE)).toMatchObject({ did: one.did, droppedMs: HANDLE_RESERVE_MS - 1 });
  });

  it("is free 90 days after its agent was deactivated", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    const first = listing(one, one.genesis, HANDLE);
    relay.send(asEntry(first));
    relay.send(event(one, "1.0"), 1);
    relay.send(asEntry(deactivateIdentity({ parent: first, revealSeeds: [one.recovery[0]!], timeMs: 99 }).parsed));
    const wish = listing(two, two.genesis, HANDLE);
    expect(codeOf(relay.send(asEntry(wish)))).toBe("handle-taken");
    relay.nowMs = HANDLE_RESERVE_MS;
    expect(codeOf(relay.send(asEntry(wish)))).toBe("stored");
  });

  it("is kept for the owner whose thief dropped it, through the rotate and back", () => {
    const relay = new Bench();
    const [owner, friend] = [here(relay), here(relay)];
    const first = listing(owner, owner.genesis, HANDLE);
    relay.send(asEntry(first));
    relay.send(event(owner, "1.0"), 1);
    relay.send(asEntry(listing(owner, first)));
    expect(codeOf(relay.send(asEntry(listing(friend, friend.genesis, HANDLE))))).toBe("handle-taken");
    expect(codeOf(relay.send(asEntry(rotated(owner, first))))).toBe("stored");
    expect(holder(relay)).toMatchObject({ did: owner.did });
    expect(holder(relay)).not.toHaveProperty("droppedMs");
  });

  it("is not dropped by an update that is contested, longer than the contest lasts", () => {
    const relay = new Bench();
    const [owner, friend] = [here(relay), here(relay)];
    const first = listing(owner, owner.genesis, HANDLE);
    const rival = listing(owner, owner.genesis, "thief@relay.example");
    relay.send(asEntry(first));
    relay.send(asEntry(rival));
    expect(holder(relay)).toMatchObject({ did: owner.did, droppedMs: 0 });
    expect(codeOf(relay.send(asEntry(listing(friend, friend.genesis, HANDLE))))).toBe("handle-taken");
    const settled = updateIdentity({
      parent: first,
      signSeed: owner.seed,
      changes: {},
      over: [rival.hash],
      timeMs: ++timeMs,
    });
    expect(codeOf(relay.send(asEntry(settled.parsed)))).toBe("stored");
    expect(holder(relay)).not.toHaveProperty("droppedMs");
    expect(holder(relay, "thief@relay.example")).toBeUndefined();
  });

  it("keeps no branch out that does not count, and such a branch gets none", () => {
    const relay = new Bench();
    const [owner, other] = [here(relay), here(relay)];
    relay.send(asEntry(listing(other, other.genesis, HANDLE)));
    const wanted = listing(owner, owner.genesis, HANDLE, "free@relay.example");
    expect(relay.sendRow(wanted)).toEqual(["handle-taken"]);
    const settled = updateIdentity({
      parent: owner.genesis,
      signSeed: owner.seed,
      changes: {},
      over: [wanted.hash],
      timeMs: ++timeMs,
    }).parsed;
    expect(relay.sendRow(settled, wanted)).toEqual(["stored", "stored"]);
    expect(holder(relay)).toMatchObject({ did: other.did });
    expect(holder(relay, "free@relay.example")).toBeUndefined();
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
    const [clashing, more] = ["a", "b"].map((name) =>
      listing(other, other.genesis, `${name}@relay.example`, "admin@relay.example"),
    );
    expect(relay.sendRow(clashing!, more!)).toEqual(["stored", "stored"]);
    expect(holder(relay, "admin@relay.example")).toBeUndefined();
    expect(holder(relay, "a@relay.example")).toBeUndefined();
  });

  it("of another agent keeps nobody from the pen: the update that lists it is stored with a promise, and does not get it", () => {
    const relay = new Bench();
    const [owner, other] = [here(relay), here(relay)];
    const theirs = listing(other, other.genesis, HANDLE);
    relay.send(asEntry(theirs));
    const wanted = listing(owner, owner.genesis, HANDLE, "free@relay.example");
    expect(relay.sendRow(wanted)).toEqual(["handle-taken"]);
    expect(relay.bring(wanted)).toEqual(["stored"]);
    expect(holder(relay)).toMatchObject({ did: other.did });
    expect(holder(relay, "free@relay.example")).toMatchObject({ did: owner.did });
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
    // It waits for its 90 days like anybody's.
    relay.send(event(other, "1.0"), 1);
    relay.send(asEntry(listing(other, theirs)));
    const again = listing(owner, wanted, HANDLE);
    expect(relay.bring(again)).toEqual(["handle-taken"]);
    relay.nowMs = HANDLE_RESERVE_MS;
    expect(relay.bring(again)).toEqual(["stored"]);
    expect(holder(relay)).toMatchObject({ did: owner.did });
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
  });

  it("that the relay gives nobody is refused with a promise as well", () => {
    const relay = new Bench();
    const one = here(relay);
    expect(relay.bring(listing(one, one.genesis, "admin@relay.example"))).toEqual(["handle-refused"]);
  });
});

describe("names that an agent does not get", () => {
  it("are those that the relay keeps for itself", () => {
    const relay = new Bench();
    const one = here(relay);
    expect(relay.send(asEntry(listing(one, one.genesis, "admin@relay.example")))).toMatchObject({
      code: "handle-refused",
      facts: { handle: "admin@relay.example", reason: "reserved" },
    });
    expect(codeOf(relay.send(asEntry(listing(one, one.genesis, "admin@elsewhere.example"))))).toBe("stored");
  });

  it("are more than the relay gives one agent, those included that are still kept for it", () => {
    const relay = new Bench();
    const one = here(relay);
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => `${name}@relay.example`) as [
      string,
      string,
      string,
      string,
    ];
    expect(codeOf(relay.send(asEntry(listing(one, one.genesis, a, b, c, d))))).toBe("handle-refused");
    const three = listing(one, one.genesis, a, b, c);
    expect(codeOf(relay.send(asEntry(three)))).toBe("stored");
    relay.send(event(one, "1.0"), 1);
    expect(relay.send(asEntry(listing(one, three, d)))).toMatchObject({ facts: { reason: "limit", limit: 3 } });
    const none = listing(one, three);
    expect(codeOf(relay.send(asEntry(none)))).toBe("stored");
    expect(codeOf(relay.send(asEntry(listing(one, none, d))))).toBe("handle-refused");
    expect(codeOf(relay.send(asEntry(listing(one, none, a))))).toBe("stored");
    relay.nowMs = HANDLE_RESERVE_MS;
    const later = listing(one, none, d);
    expect(codeOf(relay.send(asEntry(later)))).toBe("stored");
  });
});

describe("a rotate or a deactivate", () => {
  it("is never refused for a handle, and gets none", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    relay.send(asEntry(listing(one, one.genesis, HANDLE)));
    const turned = rotated(two, two.genesis, [HANDLE, "free@relay.example", "admin@relay.example"]);
    expect(codeOf(relay.send(asEntry(turned)))).toBe("stored");
    expect(holder(relay)).toMatchObject({ did: one.did });
    expect(holder(relay, "free@relay.example")).toBeUndefined();
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
    const end = deactivateIdentity({ parent: one.genesis, revealSeeds: [one.recovery[0]!], timeMs: 99 });
    expect(codeOf(relay.send(asEntry(end.parsed)))).toBe("stored");
  });

  it("is taken although what it follows lists another agent's handle: that is history, and gets nothing", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    relay.send(asEntry(listing(one, one.genesis, HANDLE)));
    const stolen = listing(two, two.genesis, HANDLE);
    const more = listing(two, stolen, HANDLE, "admin@relay.example");
    expect(relay.sendRow(stolen)).toEqual(["handle-taken"]);
    expect(relay.sendRow(stolen, more)).toEqual(["handle-taken"]);
    expect(relay.sendRow(stolen, more, rotated(two, more, []))).toEqual(["stored", "stored", "stored"]);
    expect(holder(relay)).toMatchObject({ did: one.did });
    expect(holder(relay, "admin@relay.example")).toBeUndefined();
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
  });
});

describe("operations in a row", () => {
  it("get a kept handle neither by what follows nor by what is refused behind them", () => {
    const relay = new Bench();
    const [one, two] = [here(relay), here(relay)];
    const first = listing(one, one.genesis, HANDLE);
    relay.send(asEntry(first));
    relay.send(event(one, "1.0"), 1);
    relay.send(asEntry(listing(one, first)));
    const wish = listing(two, two.genesis, HANDLE);
    expect(relay.sendRow(wish, listing(two, wish, HANDLE))).toEqual(["handle-taken"]);
    expect(relay.sendRow(wish, misnumbered(two, listing(two, wish)))).toEqual(["handle-taken"]);
    const withoutIt = listing(two, wish);
    expect(relay.sendRow(wish, withoutIt)).toEqual(["stored", "stored"]);
    expect(holder(relay)).toMatchObject({ did: one.did });
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
  });

  it("give the last one what it lists, and keep nothing that one before it did", () => {
    const relay = new Bench();
    const one = here(relay);
    const names = (from: number) => Array.from({ length: 3 }, (_, i) => `name${from + i}@relay.example`);
    const first = listing(one, one.genesis, ...names(0));
    const second = listing(one, first, ...names(3));
    const last = listing(one, second, "last@relay.example");
    expect(relay.sendRow(first, second, last)).toEqual(["stored", "handle-refused"]);
    expect(holder(relay, "name0@relay.example")).toMatchObject({ did: one.did });
    expect(relay.sendRow(second, listing(one, second))).toEqual(["stored", "stored"]);
    for (const name of names(3)) expect(holder(relay, name)).toBeUndefined();
    expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
  });
});

/** What the agents of a run do, each step one of these. */
const step = fc.record({
  who: fc.nat(2),
  does: fc.constantFrom("list", "list", "list", "row", "rotate", "note", "restart", "wait"),
  handles: fc.subarray(["a@relay.example", "b@relay.example", "c@relay.example", "a@other.example", "d.example"]),
  onOld: fc.boolean(),
});

describe("with whom the handles are", () => {
  it("follows from the log alone, whatever was sent, refused and waited for", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 24 }), (steps) => {
        const relay = new Bench();
        const agents = [agent(), agent(), agent()];
        const logs = agents.map((who) => [who.genesis]);
        const eras = agents.map(() => 0);
        for (const who of agents) relay.send(asEntry(who.genesis));
        for (const { who: no, does, handles, onOld } of steps) {
          const who = agents[no]!;
          const log = logs[no]!;
          if (does === "restart") relay.restart();
          else if (does === "wait") relay.nowMs += (HANDLE_RESERVE_MS * 2) / 3;
          else if (does === "note") relay.ask(promise(who, 1 + relay.nowMs + log.length, "i1", { takeover: true }));
          else if (eras[no] === 0) {
            const parent = onOld ? log[0]! : log.at(-1)!;
            const first = does === "rotate" ? rotated(who, parent, handles) : listing(who, parent, ...handles);
            const row = does === "row" ? [first, listing(who, first, ...handles.slice(1))] : [first];
            const codes = relay.sendRow(...row);
            log.push(...row.slice(0, codes.filter((code) => code === "stored").length));
            if (codes[0] === "stored" && does === "rotate") eras[no] = 1;
          }
        }
        expect(owners(rebuilt(relay))).toEqual(owners(relay.index.handles));
      }),
      { numRuns: 120 },
    );
  });
});
