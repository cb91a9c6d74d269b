import { describe, expect, it } from "vitest";
import { fromUtf8 } from "../../../keys/bytes.js";
import type { Secrets } from "../../../src/agent/secret-changes.js";
import { type ChoiceOptions, choose } from "../../../src/agent/secret-choice.js";
import { isOwed } from "../../../src/agent/secret-keeper.js";
import { SecretLedger } from "../../../src/agent/secret-records.js";
import { Crash, FakeAgent } from "./fake-agent.js";

/** The values that may be used, in their order, or the code of what stands in the way. */
function usable(agent: FakeAgent, secrets: Secrets = agent.secrets, options: ChoiceOptions = {}): string[] {
  try {
    const { usable } = choose(secrets, agent.ledger(), "api", { ...options, nowMs: agent.nowMs });
    return usable.map(({ version }) => fromUtf8(version.value));
  } catch (error) {
    return [(error as { code: string }).code];
  }
}

async function agentWith(...values: string[]): Promise<FakeAgent> {
  const agent = new FakeAgent();
  await agent.put("set", "api", values[0]!);
  for (const value of values.slice(1)) await agent.put("rotate", "api", value);
  return agent;
}

describe("a secret of the vault", () => {
  it("is recorded without its value: name, label, number, random id, state", async () => {
    const agent = await agentWith("one", "two");
    expect(agent.chain.map(({ kind, private: sealed, body }) => ({ kind, sealed, ...body }))).toEqual([
      {
        kind: "ants.secret",
        sealed: true,
        name: "api",
        label: "main",
        version: 1,
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        state: "set",
      },
      {
        kind: "ants.secret",
        sealed: true,
        name: "api",
        label: "main",
        version: 2,
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        state: "rotated",
      },
    ]);
    expect(JSON.stringify(agent.chain)).not.toMatch(/one|two/);
    expect(usable(agent)).toEqual(["two"]);
  });

  it("is not put in twice, and not rotated before it is there", async () => {
    const agent = await agentWith("one");
    await expect(agent.put("set", "api", "two")).rejects.toMatchObject({ code: "secret-exists" });
    await expect(agent.put("rotate", "other", "two")).rejects.toMatchObject({ code: "secret-unknown" });
    await expect(agent.keeper().remove({ name: "other" })).rejects.toMatchObject({ code: "secret-unknown" });
    await expect(agent.keeper().remove({ name: "api", version: 2 })).rejects.toMatchObject({ code: "secret-unknown" });
    expect(usable(agent)).toEqual(["one"]);
  });

  it("never gets a number twice, also after it was removed", async () => {
    const agent = await agentWith("one", "two");
    await agent.keeper().remove({ name: "api" });
    expect(Object.keys(agent.secrets)).toEqual([]);
    expect(await agent.put("set", "api", "three")).toMatchObject({ version: 3 });
    expect(usable(agent)).toEqual(["three"]);
    for (const old of agent.states.slice(1, 3)) expect(usable(agent, old)).toEqual(["secret-stale"]);
  });

  it("is refused from its expiry on, unless it is allowed", async () => {
    const agent = new FakeAgent();
    await agent.put("set", "api", "one", { expiresMs: agent.nowMs + 10 });
    expect(usable(agent)).toEqual(["one"]);
    agent.nowMs += 10;
    expect(usable(agent)).toEqual(["secret-expired"]);
    expect(usable(agent, agent.secrets, { allowExpired: true })).toEqual(["one"]);
  });

  it("keeps the version before for as long as a rotation said, and no longer", async () => {
    const agent = await agentWith("one");
    await agent.put("rotate", "api", "two", { keepUntilMs: agent.nowMs + 100 });
    const copy = agent.states[1]!;
    expect(usable(agent, agent.secrets, { version: 1 })).toEqual(["one"]);
    // An old copy knows nothing of the new one, and is told the same.
    expect(usable(agent, copy)).toEqual(["one"]);
    agent.nowMs += 100;
    expect(usable(agent, agent.secrets, { version: 1 })).toEqual(["secret-stale"]);
    expect(usable(agent, copy)).toEqual(["secret-stale"]);
    await agent.keeper().settle();
    expect(agent.secrets.api!.credentials[0]!.versions.map(({ number }) => number)).toEqual([2]);
  });

  it("revokes one version: its value is gone from the vault, and from every copy", async () => {
    const agent = await agentWith("one");
    await agent.put("rotate", "api", "two", { keepUntilMs: agent.nowMs + 1000 });
    await agent.keeper().remove({ name: "api", version: 1 });
    expect(usable(agent)).toEqual(["two"]);
    expect(usable(agent, agent.states[1])).toEqual(["secret-stale"]);
    expect(agent.chain.at(-1)!.body).toMatchObject({ version: 1, state: "revoked" });
  });

  it("holds at most 256 names and 8 credentials of one", async () => {
    const agent = new FakeAgent();
    for (let i = 0; i < 256; i++) await agent.put("set", `s${i}`, "x", { offline: true });
    await expect(agent.put("set", "one-more", "x", { offline: true })).rejects.toMatchObject({ code: "secrets-full" });
    for (let i = 1; i < 8; i++) await agent.put("set", "s0", "x", { label: `l${i}`, offline: true });
    await expect(agent.put("set", "s0", "x", { label: "l8", offline: true })).rejects.toMatchObject({
      code: "secrets-full",
    });
  });
});

describe("an old copy of the vault (B17)", () => {
  it("is never used silently after a rotation or a removal", async () => {
    const agent = await agentWith("one", "two", "three");
    expect(agent.states.slice(1, -1).map((old) => usable(agent, old))).toEqual([["secret-stale"], ["secret-stale"]]);
    await agent.keeper().remove({ name: "api" });
    const old = agent.states.filter((state) => state.api !== undefined);
    expect(old.map((state) => usable(agent, state))).toEqual(old.map(() => ["secret-stale"]));
    expect(usable(agent, old[0], { allowStale: true })).toEqual(["one"]);
  });

  it("erases what was revoked as soon as it is at work, and never records it anew", async () => {
    const agent = await agentWith("one");
    const old = agent.secrets;
    await agent.keeper().remove({ name: "api" });
    agent.states.push(old);
    const records = agent.chain.length;
    await agent.keeper().settle();
    expect(agent.secrets).toEqual({});
    expect(agent.chain).toHaveLength(records);
  });

  it("is told by its random id from another copy that made a version of the same number", async () => {
    const agent = await agentWith("one");
    const copy = new FakeAgent();
    copy.states.push(agent.secrets);
    await copy.put("rotate", "api", "copy's", { offline: true });
    await agent.put("rotate", "api", "two");
    expect(usable(agent, copy.secrets)).toEqual(["secret-stale"]);
    // And is of use again with a version above all.
    agent.states.push(copy.secrets);
    expect(await agent.put("rotate", "api", "three")).toMatchObject({ version: 3 });
    expect(usable(agent)).toEqual(["three"]);
  });

  it("falls back to a credential that still counts, and says what it passed over", async () => {
    const agent = await agentWith("one");
    await agent.put("set", "api", "spare", { label: "backup" });
    const old = agent.secrets;
    await agent.put("rotate", "api", "two");
    const choice = choose(old, agent.ledger(), "api", { nowMs: agent.nowMs });
    expect(choice.usable.map(({ label }) => label)).toEqual(["backup"]);
    expect(choice.passedOver).toEqual([{ label: "main", version: 1, why: "stale" }]);
  });

  it("is out of date as a whole where its keys do not open the newest record", async () => {
    const agent = await agentWith("one");
    const ledger = agent.ledger();
    ledger.read({ epoch: 1, seq: 4 }, true);
    expect(ledger.isUnreadable).toBe(false);
    ledger.read({ epoch: 2, seq: 5 }, false);
    expect(ledger.isUnreadable).toBe(true);
    expect(() => choose(agent.secrets, ledger, "api", { nowMs: 0 })).toThrow(
      expect.objectContaining({ code: "secret-stale" }),
    );
    ledger.read({ epoch: 3, seq: 6 }, true);
    expect(ledger.isUnreadable).toBe(false);
  });
});

describe("changes while the relays are out of reach", () => {
  it("are recorded by the next change that reaches them", async () => {
    const agent = await agentWith("one");
    const old = agent.secrets;
    expect(await agent.put("rotate", "api", "two", { offline: true })).toMatchObject({ version: 2, recorded: false });
    expect(isOwed(agent.secrets, agent.ledger(), agent.nowMs)).toBe(true);
    expect(usable(agent, old)).toEqual(["one"]);
    await agent.put("set", "other", "x");
    expect(isOwed(agent.secrets, agent.ledger(), agent.nowMs)).toBe(false);
    expect(usable(agent, old)).toEqual(["secret-stale"]);
    expect(usable(agent)).toEqual(["two"]);
  });

  it("erase what is removed at once, and keep in mind to say so", async () => {
    const agent = await agentWith("one");
    const old = agent.secrets;
    await agent.keeper({ offline: true }).remove({ name: "api" });
    expect(usable(agent)).toEqual(["secret-stale"]);
    expect(agent.secrets.api!.credentials[0]!.versions[0]).toMatchObject({ revoked: true, value: new Uint8Array(0) });
    await agent.keeper().settle();
    expect(agent.secrets).toEqual({});
    expect(usable(agent, old)).toEqual(["secret-stale"]);
  });
});

describe("a process that is killed after any of its writes", () => {
  const changes: Record<string, (agent: FakeAgent) => Promise<unknown>> = {
    "set of another credential": (agent) => agent.put("set", "api", "spare", { label: "backup" }),
    rotate: (agent) => agent.put("rotate", "api", "new"),
    "rotate with grace": (agent) => agent.put("rotate", "api", "new", { keepUntilMs: agent.nowMs + 50 }),
    "rm of all": (agent) => agent.keeper().remove({ name: "api" }),
    "rm of a version": (agent) => agent.keeper().remove({ name: "api", version: 2 }),
  };

  it.each(Object.entries(changes))("%s: nothing wrong is left", async (name, change) => {
    let crashes = 0;
    for (let writes = 0; ; writes++) {
      const agent = await agentWith("one", "two");
      const before = agent.states.length;
      agent.writesLeft = writes;
      const crashed = await change(agent).then(
        () => false,
        (error) => {
          if (!(error instanceof Crash)) throw error;
          return true;
        },
      );
      agent.writesLeft = Number.POSITIVE_INFINITY;
      const wasSaid = agent.chain.length > 2;
      const now = usable(agent);
      if (name.startsWith("rm")) {
        // Whoever finds the value gone finds the record, too: no copy of the vault brings it back.
        if (now[0] !== "two") expect(wasSaid).toBe(true);
        if (wasSaid) for (const state of agent.states) expect(usable(agent, state)).not.toContain("two");
      } else {
        // What was in use or what takes its place: the vault is never taken for an old copy of itself.
        expect(now.every((value) => ["two", "new", "spare"].includes(value))).toBe(true);
      }
      // The next command finishes what was begun, and then every copy of before is known as such.
      await agent.keeper().settle();
      expect(isOwed(agent.secrets, agent.ledger(), agent.nowMs)).toBe(false);
      const replaced = name.startsWith("rotate") ? usable(agent)[0] === "new" : wasSaid && name.startsWith("rm");
      agent.nowMs += 50;
      if (replaced)
        for (const old of agent.states.slice(1, before)) expect(usable(agent, old)).toEqual(["secret-stale"]);
      if (!crashed) break;
      crashes += 1;
    }
    expect(crashes).toBeGreaterThanOrEqual(2);
  });
});

describe("the ledger", () => {
  it("says the same in whatever order it learns, also of the same record twice", () => {
    const records = [
      { name: "a", label: "main", version: 1, id: "1".repeat(16), state: "set" },
      { name: "a", label: "main", version: 2, id: "2".repeat(16), state: "rotated", keepUntilMs: 500 },
      { name: "a", label: "main", version: 2, id: "2".repeat(16), state: "revoked" },
      { name: "a", label: "main", version: 3, id: "3".repeat(16), state: "rotated", keepUntilMs: 900 },
    ] as const;
    const orders = records.flatMap((_, i) => [[...records.slice(i), ...records.slice(0, i)], [...records].reverse()]);
    for (const order of orders) {
      const ledger = new SecretLedger();
      for (const record of [...order, order[0]!]) ledger.add(record);
      const at = (number: number, id: string, nowMs: number) =>
        ledger.standing("a", "main", { number, id: id.repeat(16) }, nowMs);
      expect([at(1, "1", 0), at(2, "2", 0), at(3, "3", 0), at(3, "4", 0), at(4, "4", 0)]).toEqual([
        ...["stale", "revoked", "current", "stale", "unrecorded"],
      ]);
      expect(ledger.newest("a", "main")).toBe(3);
      expect(ledger.newest("a", "other")).toBe(0);
    }
  });
});
