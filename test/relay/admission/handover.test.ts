import { beforeEach, describe, expect, it } from "vitest";
import type { VerifiedEvent } from "../../../relay/verified-frame.js";
import { agent, asEntry, Bench, codeOf, event, promise } from "./bench.js";

describe("a hand-over at a relay", () => {
  const scout = agent();
  let relay: Bench;
  let claim: VerifiedEvent;
  let handover: VerifiedEvent;

  /** i1 holds the pen, was seen just now, and hands over to i2. */
  beforeEach(() => {
    relay = new Bench();
    relay.send(asEntry(scout.genesis));
    relay.ask(promise(scout, 1, "i1"));
    claim = event(scout, "1.0", undefined, { instance: "i1" });
    relay.send(claim, 1);
    handover = event(scout, "1.1", claim, { kind: "ants.handover", successor: "i2" });
    relay.holders.saw(scout.did, "i1");
  });

  const ask = (epoch: number, instance: string, named: string | undefined = handover.id) =>
    codeOf(relay.ask(promise(scout, epoch, instance, named === undefined ? {} : { handover: named })));

  for (const [when, restart] of [
    ["just now", () => {}],
    ["before the relay's restart", () => relay.restart()],
  ] as const) {
    it(`lets the named instance claim without a wait, where it came ${when}`, () => {
      relay.send(handover, 1);
      restart();
      relay.holders.saw(scout.did, "i1");
      expect(ask(2, "i2")).toBe("stored");
    });
  }

  it("lets nobody else, and nobody who does not name it", () => {
    relay.send(handover, 1);
    expect(ask(2, "i3")).toBe("held");
    expect(codeOf(relay.ask(promise(scout, 2, "i2")))).toBe("held");
  });

  it("counts for nothing where it is not here yet, or where another event is named", () => {
    expect(ask(2, "i2")).toBe("held");
    relay.send(handover, 1);
    expect(ask(2, "i2", "some other id")).toBe("held");
    expect(ask(2, "i2", claim.id)).toBe("held");
  });

  it("is used once: after a claim, or whatever else follows it, it is refused", () => {
    relay.send(handover, 1);
    const second = event(scout, "2.2", handover, { instance: "i2" });
    expect(ask(2, "i2")).toBe("stored");
    relay.send(second, 2);
    expect(ask(3, "i2")).toBe("handover-used");
    relay.restart();
    expect(ask(3, "i2")).toBe("handover-used");
    expect(codeOf(relay.ask(promise(scout, 3, "i2")))).toBe("stored");

    relay.nowMs += 61_000;
    expect(ask(4, "i3")).toBe("handover-used");
  });

  it("is known as used after several others, and as any unknown one after many", () => {
    relay.send(handover, 1);
    let last = handover;
    for (let epoch = 2; epoch < 9; epoch++) {
      relay.ask(promise(scout, epoch, `i${epoch}`, { takeover: true }));
      const next = event(scout, `${epoch}.${2 * epoch - 2}`, last, { instance: `i${epoch}` });
      relay.send(next, epoch);
      last = event(scout, `${epoch}.${2 * epoch - 1}`, next, { kind: "ants.handover", successor: "i2" });
      expect(codeOf(relay.send(last, epoch))).toBe("stored");
    }
    relay.restart();
    expect(ask(20, "i2")).toBe("handover-used");
    relay.ask(promise(scout, 9, "i9", { takeover: true }));
    const claim9 = event(scout, "9.16", last, { instance: "i9" });
    relay.send(claim9, 9);
    relay.send(event(scout, "9.17", claim9, { kind: "ants.handover", successor: "i2" }), 9);
    relay.holders.saw(scout.did, "i9");
    expect(ask(20, "i2")).toBe("held");
  });

  it("is passed over where the holder went on writing", () => {
    relay.send(handover, 1);
    relay.send(event(scout, "1.2", handover), 1);
    expect(ask(2, "i2")).toBe("handover-used");
    expect(relay.admission.agent(scout.did)?.promised).toBe(1);
  });

  it("is passed over where the chain went another way", () => {
    relay.send(handover, 1);
    relay.ask(promise(scout, 2, "i9", { takeover: true }));
    relay.send(event(scout, "2.1", claim, { instance: "i9" }), 2);
    expect(ask(3, "i2")).toBe("handover-used");
  });

  it("never makes an epoch that was promised be promised again", () => {
    relay.send(handover, 1);
    relay.ask(promise(scout, 5, "i9", { takeover: true }));
    expect(ask(5, "i2")).toBe("fenced");
    expect(ask(6, "i2")).toBe("stored");
  });
});
