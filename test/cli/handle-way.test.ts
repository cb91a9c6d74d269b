import { describe, expect, it } from "vitest";
import { isAnswered, isGivenByRelay, waysToPublish } from "../../src/cli/handle-way.js";
import { readHint, readJrd } from "../../src/client/handle-hint.js";
import type { Asked } from "../../src/client/resolved-agent.js";

const did = `did:ants:${"a".repeat(52)}`;
const target = { did, relays: ["wss://relay.example", "wss://other.example:7443"] };

describe("what makes a handle lead to its agent", () => {
  it("a relay of the agent gives its own handles, with its port", () => {
    expect(isGivenByRelay("scout@relay.example", target)).toBe(true);
    expect(isGivenByRelay("scout@other.example:7443", target)).toBe(true);
    for (const handle of ["scout@other.example", "scout@relay.example:7443", "scout.example", "relay.example"]) {
      expect(isGivenByRelay(handle, target), handle).toBe(false);
    }
  });

  it("a host that names the agent already answers, another agent or a memory does not", () => {
    const said = { place: "webfinger", address: "https://x.example", answer: "did", did, relays: [] } as const;
    const nothing: Asked = { place: "dns", address: "_ants.x", answer: "nothing", why: "no record" };
    expect(isAnswered([nothing, said], target)).toBe(true);
    expect(isAnswered([nothing], target)).toBe(false);
    expect(isAnswered([{ ...said, place: "cache" }], target)).toBe(false);
    expect(isAnswered([{ ...said, did: `did:ants:${"b".repeat(52)}` }], target)).toBe(false);
  });

  it("what is to be published is what a reader of it understands", () => {
    const [finger] = waysToPublish("scout@x.example", target);
    expect(finger).toContain("https://x.example/.well-known/webfinger?resource=acct:scout@x.example");
    expect(readJrd(finger!.slice(finger!.indexOf("{")), "x")).toEqual({ dids: [did], relays: target.relays });

    const [record, file] = waysToPublish("scout.example", target);
    expect(record).toMatch(/_ants\.scout\.example\. TXT "did=did:ants:a{52} relay=/);
    expect(file).toContain("https://scout.example/.well-known/ants-did");
    expect(readHint([file!.slice(file!.indexOf("did="))], "x")?.dids).toEqual([did]);
  });

  it("splits a record that is longer than one string of the DNS", () => {
    const relays = Array.from({ length: 9 }, (_, i) => `wss://relay-${i}.a-rather-long-name.example`);
    const [record] = waysToPublish("scout.example", { did, relays });
    const strings = [...record!.matchAll(/"([^"]*)"/g)].map(([, string]) => string!);
    expect(strings.length).toBeGreaterThan(1);
    expect(strings.every(({ length }) => length <= 255)).toBe(true);
    expect(readHint([strings.join("")], "x")).toEqual({ dids: [did], relays });
  });
});
