import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { KnownIdentities } from "../../src/client/known-identities.js";
import type { Lookup, TextAnswer } from "../../src/client/lookup/lookup.js";
import { createNodeLookup } from "../../src/client/lookup/node.js";
import { systemPorts } from "../../src/client/ports.js";
import { DiskResolutionCache } from "../../src/client/resolution-cache.js";
import { Resolver, type ResolverOptions } from "../../src/client/resolver.js";
import { SimDisk } from "../simulation/sim-disk.js";
import { HostOfHandles } from "../support/host-of-handles.js";
import { give, Owner } from "../support/owner.js";

/** From a handle to an agent (N8): each kind of result, and what is believed of what a host says. */
let host: HostOfHandles;
let relay: TestRelay;

beforeEach(async () => {
  [host, relay] = await Promise.all([HostOfHandles.start(), startTestRelay()]);
});
afterEach(async () => {
  await Promise.all([host[Symbol.asyncDispose](), relay.close()]);
});

function resolver(options: Partial<ResolverOptions> = {}, more: { lookup?: Lookup; nowMs?: () => number } = {}) {
  const { nowMs = systemPorts.clock.nowMs, ...ports } = more;
  const clock = { ...systemPorts.clock, nowMs };
  return new Resolver(
    { relays: [], allowPrivate: true, timeoutMs: 3_000, ...options },
    { ...systemPorts, ...ports, clock },
  );
}

/** An agent on the relay that names these handles. */
async function agent(...handles: string[]): Promise<Owner> {
  const owner = new Owner([relay], { handles });
  await give(relay, owner.genesis);
  return owner;
}

const codesOf = (asked: readonly object[]) => asked.flatMap((one) => ("code" in one ? [one.code] : []));

describe("an account at a host", () => {
  it("is verified when the host names the DID and its identity log names the handle", async () => {
    const handle = host.handle("scout");
    const { did } = await agent(handle);
    host.saysWhose(did, [relay.url]);
    const result = await resolver().resolve(`@${handle}`);
    expect(result).toMatchObject({ status: "verified", name: handle, handle, did, relays: [{ url: relay.url }] });
    expect(host.asked).toEqual([`/.well-known/webfinger?resource=${encodeURIComponent(`acct:${handle}`)}`]);
  });

  it("is a mismatch when the identity log doesn't name it: the hint alone is worth nothing", async () => {
    const { did } = await agent("somebody@else.example");
    host.saysWhose(did, [relay.url]);
    const result = await resolver().resolve(host.handle("scout"));
    expect(result).toMatchObject({ status: "mismatch", dids: [did], agent: { did } });
  });

  it("is not found only when the host says that it knows nobody of that name, or no relay the DID", async () => {
    expect(await resolver().resolve(host.handle("scout"))).toMatchObject({ status: "not-found" });
    host.saysWhose(new Owner([]).did, [relay.url]);
    expect(await resolver().resolve(host.handle("scout"))).toMatchObject({ status: "not-found" });
    host.says("application/json", "{}");
    expect(await resolver().resolve(host.handle("scout"))).toMatchObject({ status: "not-found" });
  });

  it("of a deactivated agent says so", async () => {
    const handle = host.handle("scout");
    const owner = await agent(handle);
    await give(relay, owner.deactivate(owner.genesis));
    host.saysWhose(owner.did, [relay.url]);
    expect(await resolver().resolve(handle)).toMatchObject({ status: "deactivated", handle, did: owner.did });
  });

  it("of an agent in dispute says so: contested, conflicted", async () => {
    const [one, two] = [host.handle("one"), host.handle("two")];
    const contested = await agent(one);
    const clash = (timeMs: number) => contested.update(contested.genesis, { handles: [one] }, { timeMs });
    await give(relay, clash(10), clash(11));
    host.saysWhose(contested.did, [relay.url]);
    expect(await resolver().resolve(one)).toMatchObject({ status: "contested", handle: one });

    await using other = await startTestRelay();
    const conflicted = new Owner([relay, other], { handles: [two] });
    const rotates = [conflicted.rotate(conflicted.genesis), conflicted.rotate(conflicted.genesis)];
    await give(relay, conflicted.genesis, ...rotates);
    await give(other, conflicted.genesis, ...rotates.reverse());
    host.saysWhose(conflicted.did, [relay.url]);
    const rivals = rotates.map(({ hash }) => hash).sort();
    expect(await resolver().resolve(two)).toMatchObject({ status: "conflicted", handle: two, rivals });
  });

  it.each<[string, string, () => void]>([
    ["an error", "web-status", () => (host.answer = (_, response) => response.writeHead(500).end())],
    ["a refusal", "web-status", () => (host.answer = (_, response) => response.writeHead(403).end())],
    ["no answer", "request-timeout", () => (host.answer = () => {})],
    ["a cut answer", "web-unreachable", () => (host.answer = (_, response) => response.socket!.destroy())],
    ["a page", "web-content-type", () => host.says("text/html", "<p>")],
    ["packed bytes", "web-content-type", () => host.says("application/json", "x", { "content-encoding": "gzip" })],
    ["no JSON", "hint-syntax", () => host.says("application/json", "hello")],
    ["a DID with an error in it", "hint-syntax", () => host.saysWhose("did:ants:abc", [])],
    ["ten megabytes", "too-large", () => host.says("application/json", " ".repeat(10 * 2 ** 20))],
    ["a circle", "web-redirect", () => host.redirects("/.well-known/webfinger")],
    ["a way without TLS", "web-redirect", () => host.redirects("http://web.example/")],
    ["credentials", "web-redirect", () => host.redirects("https://user:word@web.example/")],
    ["a redirect to nowhere", "web-redirect", () => host.redirects("https://")],
  ])("whose host answers with %s is unreachable, never not found (%s)", async (_, code, answer) => {
    answer();
    const result = await resolver().resolve(host.handle("scout"));
    expect(codesOf(result.asked)).toEqual([code]);
    expect(result.status).toBe("unreachable");
  });

  it("whose host redirects ever on is given up", async () => {
    let hops = 0;
    host.answer = (_, response) => response.writeHead(302, { location: `/${++hops}` }).end();
    const result = await resolver().resolve(host.handle("scout"));
    expect(codesOf(result.asked)).toEqual(["web-redirect"]);
    expect(hops).toBeLessThan(8);
  });

  it("at a host that names several DIDs is a mismatch", async () => {
    const dids = [(await agent()).did, (await agent()).did].sort();
    host.says("application/json", JSON.stringify({ aliases: dids }));
    expect(await resolver().resolve(host.handle("scout"))).toMatchObject({ status: "mismatch", dids });
  });

  it("at this very machine is not asked for, unless that is allowed", async () => {
    host.saysWhose((await agent()).did, [relay.url]);
    const result = await resolver({ allowPrivate: false }).resolve(host.handle("scout"));
    expect(result.status).toBe("unreachable");
    expect(host.asked).toEqual([]);
  });
});

describe("what is remembered", () => {
  const stores = () => {
    const disk = new SimDisk();
    const troubles: string[] = [];
    const cache = new DiskResolutionCache(disk, "/cache", (why) => troubles.push(why));
    return { disk, troubles, options: { cache, known: new KnownIdentities(disk, "/known") } };
  };

  it("a hint is taken unasked for as long as the host says, within bounds, and asked for when it is to be fresh", async () => {
    const handle = host.handle("scout");
    host.saysWhose((await agent(handle)).did, [relay.url], { "cache-control": "private, max-age=600" });
    const { options } = stores();
    let nowMs = 1_000_000;
    const one = resolver(options, { nowMs: () => nowMs });
    await one.resolve(handle);
    nowMs += 599_000;
    expect(await one.resolve(handle)).toMatchObject({ status: "verified", asked: [{ place: "cache" }, {}] });
    expect(host.asked).toHaveLength(1);
    await one.resolve(handle, { fresh: true });
    expect(host.asked).toHaveLength(2);
    nowMs += 600_000;
    await one.resolve(handle);
    expect(host.asked).toHaveLength(3);
  });

  it("an agent whose host and relays are away is stale, with what was known; a stranger is unreachable", async () => {
    const handle = host.handle("scout");
    const { did } = await agent(handle);
    host.saysWhose(did, [relay.url]);
    const { options } = stores();
    await resolver(options).resolve(handle);
    host.answer = (_, response) => response.writeHead(503).end();
    const noHost = await resolver(options).resolve(handle, { fresh: true });
    expect(noHost).toMatchObject({ status: "stale", did, handle, state: { head: {} } });
    await relay.close();
    expect(await resolver(options).resolve(handle, { fresh: true })).toMatchObject({ status: "stale", did, handle });
    expect(await resolver().resolve(handle)).toMatchObject({ status: "unreachable" });
  });

  it("a handle that its host gave to somebody else is not the old one's, whatever was cached", async () => {
    const handle = host.handle("scout");
    const [first, second] = [await agent(handle), await agent(handle)];
    const { options } = stores();
    host.saysWhose(first.did, [relay.url]);
    await resolver(options).resolve(handle);
    host.saysWhose(second.did, [relay.url]);
    expect(await resolver(options).resolve(handle, { fresh: true })).toMatchObject({
      status: "verified",
      did: second.did,
    });
    host.answer = (_, response) => response.writeHead(404).end();
    expect(await resolver(options).resolve(handle, { fresh: true })).toMatchObject({ status: "not-found" });
    host.answer = (_, response) => response.writeHead(503).end();
    expect(await resolver(options).resolve(handle)).toMatchObject({ status: "unreachable" });
  });

  it("a state that is known from before and doesn't name the handle is no proof against it while relays are away", async () => {
    const { options } = stores();
    const owner = await agent();
    await resolver({ ...options, relays: [relay.url] }).resolve(owner.did);
    host.saysWhose(owner.did, [relay.url]);
    await relay.close();
    expect(await resolver(options).resolve(host.handle("scout"))).toMatchObject({ status: "unreachable" });
  });

  it("an identity that was confirmed lately is taken unasked where the caller says so", async () => {
    const { options } = stores();
    const { did } = await agent();
    let nowMs = 1_000_000;
    const more = { nowMs: () => nowMs };
    await resolver({ ...options, relays: [relay.url] }, more).resolve(did);
    await relay.close();
    nowMs += 5_000;
    expect(await resolver({ ...options, maxAgeMs: 10_000 }, more).resolve(did)).toMatchObject({ status: "verified" });
    expect(await resolver({ ...options, maxAgeMs: 5_000 }, more).resolve(did)).toMatchObject({
      status: "stale",
      checkedMs: 1_000_000,
    });
    nowMs -= 10_000;
    expect(await resolver({ ...options, maxAgeMs: 10_000 }, more).resolve(did)).toMatchObject({ status: "stale" });
  });

  it("a cache that is damaged, or cannot be written, keeps nobody from resolving", async () => {
    const handle = host.handle("scout");
    host.saysWhose((await agent(handle)).did, [relay.url]);
    const { disk, troubles, options } = stores();
    await disk.replace("/cache/resolutions.json", new TextEncoder().encode("{"));
    expect(await resolver(options).resolve(handle)).toMatchObject({ status: "verified" });
    expect(troubles[0]).toContain("/cache/resolutions.json");
    disk.replace = () => Promise.reject(new AntsError("disk-full", "no room"));
    expect(await resolver(options).resolve(handle, { fresh: true })).toMatchObject({ status: "verified" });
    expect(troubles.at(-1)).toBe("no room");
  });

  it("a file of pins that holds something else is an error, not a first meeting", async () => {
    const { disk, options } = stores();
    const { did } = await agent();
    const path = `/known/${did.slice("did:ants:".length)}.ndjson`;
    await resolver({ ...options, relays: [relay.url] }).resolve(did);
    await disk.append(path, new TextEncoder().encode("torn by a cra"));
    expect(await resolver({ ...options, relays: [relay.url] }).resolve(did)).toMatchObject({ status: "verified" });
    await disk.append(path, new TextEncoder().encode("sh\n"));
    await expect(resolver(options).resolve(did)).rejects.toMatchObject({ code: "pin-damaged" });
  });
});

describe("a domain", () => {
  const DOMAIN = "scout.example.com";
  const WELL_KNOWN = `https://${DOMAIN}/.well-known/ants-did`;

  /** A DNS that says this, and a web that has one document, or none, or fails. */
  function naming(texts: TextAnswer | AntsError, web: string | 404 | AntsError): Lookup & { asked: string[] } {
    const asked: string[] = [];
    return {
      asked,
      async texts(name) {
        asked.push(name);
        if (texts instanceof AntsError) throw texts;
        return texts;
      },
      async get(url) {
        asked.push(url);
        if (web instanceof AntsError) throw web;
        if (web === 404) return { status: 404, type: "", body: new Uint8Array() };
        return { status: 200, type: "text/plain", body: new TextEncoder().encode(web) };
      },
    };
  }
  const records = (...records: string[]): TextAnswer => ({ answer: "records", records });
  const nothing: TextAnswer = { answer: "nothing", why: "no such name" };
  const failing = new AntsError("dns-failed", "SERVFAIL");
  const away = new AntsError("web-unreachable", "refused");
  const resolve = async (lookup: Lookup) => resolver({}, { lookup }).resolve("Scout.Example.com");

  it("is verified by its DNS record, and the web is not asked", async () => {
    const { did } = await agent(DOMAIN);
    const lookup = naming(records("v=spf1 -all", `relay=${relay.url}  did=${did} more=1`), away);
    expect(await resolve(lookup)).toMatchObject({ status: "verified", did, handle: DOMAIN });
    expect(lookup.asked).toEqual([`_ants.${DOMAIN}`]);
  });

  it("is verified by its well-known file where the DNS has no record, fails, or cannot be asked", async () => {
    const { did } = await agent(DOMAIN);
    for (const texts of [nothing, records("v=spf1 -all"), failing, { answer: "unsupported" } as const]) {
      const lookup = naming(texts, `did=${did} relay=${relay.url}\n`);
      expect(await resolve(lookup)).toMatchObject({ status: "verified", did });
      expect(lookup.asked).toEqual([`_ants.${DOMAIN}`, WELL_KNOWN]);
    }
  });

  it("is several records of one DID, and a mismatch for several DIDs", async () => {
    const [one, other] = [await agent(DOMAIN), await agent(DOMAIN)];
    const same = records(`did=${one.did}`, `did=${one.did} relay=${relay.url} relay=http://no.example`);
    expect(await resolve(naming(same, away))).toMatchObject({ status: "verified", did: one.did });
    const both = records(`did=${one.did} relay=${relay.url}`, `did=${other.did}`);
    expect(await resolve(naming(both, away))).toMatchObject({ status: "mismatch", dids: [one.did, other.did].sort() });
  });

  it("is not found only where both the DNS and the web say so", async () => {
    expect(await resolve(naming(nothing, 404))).toMatchObject({ status: "not-found" });
    expect(await resolve(naming(nothing, new AntsError("host-unknown", "no host")))).toMatchObject({
      status: "not-found",
    });
    expect(await resolve(naming(failing, 404))).toMatchObject({ status: "unreachable" });
    expect(await resolve(naming(nothing, away))).toMatchObject({ status: "unreachable" });
    expect(await resolve(naming({ answer: "unsupported" }, 404))).toMatchObject({ status: "unreachable" });
    expect(await resolve(naming(records("did=did:ants:typo"), 404))).toMatchObject({ status: "unreachable" });
  });

  it("whose name leads to this machine is not dialled, at whatever address it turns out to be", async () => {
    const real = createNodeLookup();
    const signal = new AbortController().signal;
    const options = { maxBytes: 1_000, accept: "text/plain", publicOnly: true, signal };
    const asking = real.get(host.url.replace("127.0.0.1", "localhost"), options);
    await expect(asking).rejects.toMatchObject({ code: "private-address" });
    expect(host.asked).toEqual([]);
  });

  it("that redirects to this machine is not followed there", async () => {
    const lookup = naming(nothing, 404);
    const asked: string[] = [];
    const get: Lookup["get"] = async (url) => {
      asked.push(url);
      return { status: 302, type: "", body: new Uint8Array(), location: "https://10.0.0.7/admin" };
    };
    const careful = resolver({ allowPrivate: false }, { lookup: { ...lookup, get } });
    const result = await careful.resolve(DOMAIN);
    expect(codesOf(result.asked)).toEqual(["private-address"]);
    expect(asked).toEqual([WELL_KNOWN]);
  });
});
