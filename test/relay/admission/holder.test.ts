import { describe, expect, it } from "vitest";
import { agent, asEntry, Bench, codeOf, event, promise } from "./bench.js";

describe("who holds the pen, as far as a relay knows", () => {
  const scout = agent();
  const known = () => {
    const relay = new Bench();
    relay.send(asEntry(scout.genesis));
    return relay;
  };

  it("is not hidden by another instance that was seen after it: one that reads, or asks for the pen", () => {
    const relay = known();
    relay.ask(promise(scout, 1, "i1"));
    relay.send(event(scout, "1.0", undefined, { instance: "i1" }), 1);
    relay.holders.saw(scout.did, "i1");
    relay.holders.saw(scout.did, "i2");
    expect(codeOf(relay.ask(promise(scout, 2, "i2")))).toBe("held");
    relay.nowMs += 61_000;
    relay.holders.saw(scout.did, "i2");
    expect(codeOf(relay.ask(promise(scout, 2, "i2")))).toBe("stored");
  });

  it("is whoever claimed the epoch, also where the relay had promised that epoch to another start", () => {
    const relay = known();
    relay.ask(promise(scout, 1, "i2"));
    expect(codeOf(relay.send(event(scout, "1.0", undefined, { instance: "i1" }), 1))).toBe("stored");
    relay.holders.saw(scout.did, "i1");
    relay.restart();
    expect(relay.ask(promise(scout, 2, "i2"))).toMatchObject({ code: "held", holder: "i1" });
    expect(relay.admission.agent(scout.did)?.promised).toBe(1);
  });
});
