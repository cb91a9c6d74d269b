import { expect, it } from "vitest";
import { HANDOVER_KIND, handoverOf } from "../../src/protocol/handover.js";

const instance = "00112233445566ff";
const until = 1_700_000_000_000;

it("reads whom a hand-over names, and lets more stand beside it", () => {
  expect(handoverOf({ kind: HANDOVER_KIND, body: { instance, until } })).toEqual({ instance, until });
  expect(handoverOf({ kind: HANDOVER_KIND, body: { instance, until, vault: "sealed" } })).toEqual({ instance, until });
});

it("takes nothing else for one", () => {
  const body = { instance, until };
  for (const event of [
    { kind: "note", body },
    { kind: HANDOVER_KIND },
    { kind: HANDOVER_KIND, body, to: [`did:ants:${"a".repeat(52)}`] },
    { kind: HANDOVER_KIND, body: { instance } },
    { kind: HANDOVER_KIND, body: { until } },
    { kind: HANDOVER_KIND, body: { instance: "00112233445566FF", until } },
    { kind: HANDOVER_KIND, body: { instance, until: "later" } },
    { kind: HANDOVER_KIND, body: { instance, until: -0.5 } },
  ]) {
    expect(handoverOf(event), JSON.stringify(event)).toBeUndefined();
  }
});
