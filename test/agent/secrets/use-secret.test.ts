import { describe, expect, it } from "vitest";
import { fromUtf8 } from "../../../keys/bytes.js";
import {
  credentialRefused,
  type SecretAlarm,
  type UseSecretOptions,
  useSecret,
} from "../../../src/agent/use-secret.js";
import { FakeAgent } from "./fake-agent.js";

async function agentWithTwo(): Promise<FakeAgent> {
  const agent = new FakeAgent();
  await agent.put("set", "api", "first");
  await agent.put("set", "api", "second", { label: "backup" });
  return agent;
}

/** A service that does not take these values. */
function work(agent: FakeAgent, refuses: readonly string[], options?: UseSecretOptions) {
  const alarms: SecretAlarm[] = [];
  const seen: Uint8Array[] = [];
  const use = {
    file: agent.file,
    keeper: agent.keeper(),
    ledger: async () => agent.ledger(),
    clock: { nowMs: () => agent.nowMs, monotonicMs: () => 0, sleep: async () => {} },
    alarm: (alarm: SecretAlarm) => alarms.push(alarm),
  };
  const result = useSecret(
    use,
    "api",
    async (value, { label }) => {
      seen.push(value);
      const text = fromUtf8(value);
      if (refuses.includes(text)) throw credentialRefused("HTTP 401");
      return `${label}: ${text}`;
    },
    options,
  );
  return { result, alarms, seen };
}

describe("useSecret (I13)", () => {
  it("uses the preferred credential, and leaves nothing of its value behind", async () => {
    const agent = await agentWithTwo();
    const { result, alarms, seen } = work(agent, []);
    expect(await result).toBe("main: first");
    expect(alarms).toEqual([]);
    expect(seen.every((value) => value.every((byte) => byte === 0))).toBe(true);
  });

  it("goes on with the next one when one is refused: noted, told, and recorded in the chain", async () => {
    const agent = await agentWithTwo();
    const { result, alarms } = work(agent, ["first"]);
    expect(await result).toBe("backup: second");
    expect(alarms).toEqual([
      { alarm: "credential-refused", name: "api", label: "main", version: 1, reason: "HTTP 401", next: "backup" },
    ]);
    const { kind, body, private: sealed } = agent.chain.at(-1)!;
    expect({ kind, sealed, ...body }).toMatchObject({
      ...{ kind: "ants.alarm", sealed: true, alarm: "credential-refused", name: "api", label: "main", version: 1 },
    });
    expect(agent.secrets.api!.credentials[0]!.refused).toEqual({ version: 1, atMs: agent.nowMs, recorded: true });
    // From now on without another attempt, and without another alarm.
    const again = work(agent, []);
    expect(await again.result).toBe("backup: second");
    expect(again.alarms).toEqual([]);
  });

  it("uses a new version of what was refused, and what is tried again and taken", async () => {
    const agent = await agentWithTwo();
    await work(agent, ["first"]).result;
    expect(await work(agent, [], { retryRefused: true }).result).toBe("main: first");
    expect(await work(agent, []).result).toBe("main: first");
    await work(agent, ["first"]).result;
    await agent.put("rotate", "api", "third");
    expect(await work(agent, []).result).toBe("main: third");
  });

  it("has a way out when none is left", async () => {
    const agent = await agentWithTwo();
    const { result, alarms } = work(agent, ["first", "second"]);
    await expect(result).rejects.toMatchObject({
      code: "credentials-exhausted",
      cause: { code: "credential-refused" },
      hint: expect.stringContaining("ants secret rotate api --label main"),
      details: { labels: ["main", "backup"] },
    });
    expect(alarms.map(({ label, next }) => [label, next])).toEqual([
      ["main", "backup"],
      ["backup", undefined],
    ]);
    await expect(work(agent, []).result).rejects.toMatchObject({ code: "credentials-exhausted" });
  });

  it("passes every other error on as it is, with the value overwritten", async () => {
    const agent = await agentWithTwo();
    let seen: Uint8Array | undefined;
    const use = {
      file: agent.file,
      keeper: agent.keeper(),
      ledger: async () => agent.ledger(),
      clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => {} },
      alarm: () => expect.unreachable(),
    };
    const down = new Error("the service is down");
    const result = useSecret(use, "api", (value) => {
      seen = value;
      throw down;
    });
    await expect(result).rejects.toBe(down);
    expect([...seen!]).toEqual([0, 0, 0, 0, 0]);
  });

  it("says what it passed over: expired, and out of date", async () => {
    const agent = new FakeAgent();
    await agent.put("set", "api", "first", { expiresMs: agent.nowMs + 1 });
    await agent.put("set", "api", "second", { label: "backup" });
    agent.nowMs += 1;
    const { result, alarms } = work(agent, []);
    expect(await result).toBe("backup: second");
    expect(alarms).toMatchObject([{ alarm: "secret-expired", label: "main", version: 1, next: "backup" }]);
    agent.states.push(agent.states[2]!);
    await agent.put("rotate", "api", "third");
    agent.states.push(agent.states[2]!);
    const old = work(agent, []);
    expect(await old.result).toBe("backup: second");
    expect(old.alarms).toMatchObject([{ alarm: "secret-stale", label: "main" }]);
  });

  it("uses another credential also where the alarm cannot be recorded: it is owed", async () => {
    const agent = await agentWithTwo();
    const { publish } = agent;
    Object.assign(agent, { publish: () => Promise.reject(new Error("no relay")) });
    expect(await work(agent, ["first"]).result).toBe("backup: second");
    expect(agent.secrets.api!.credentials[0]!.refused).toMatchObject({ recorded: false });
    Object.assign(agent, { publish });
    await agent.keeper().settle();
    expect(agent.chain.at(-1)!.kind).toBe("ants.alarm");
    expect(agent.secrets.api!.credentials[0]!.refused).toMatchObject({ recorded: true });
  });
});
