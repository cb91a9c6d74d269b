import { request } from "node:http";
import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateSeed } from "../../../keys/ed25519/index.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import type { RelayMessage } from "../../../src/protocol/messages.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { NamedAuthor } from "./named-author.js";

let relay: TestRelay;
let host: string;

beforeAll(async () => {
  relay = await startTestRelay({ config: { handlesPerAgent: 2 } });
  host = new URL(relay.url).host;
});

afterAll(async () => {
  await relay.close();
});

/** What a relay answers to a frame of lines by HTTP, and its status. */
async function publish(lines: readonly string[], at = relay): Promise<{ status: number; answer: RelayMessage }> {
  const frame = encodeFrame({ t: "publish", ref: 1, epoch: 1 }, [...lines]) as Uint8Array<ArrayBuffer>;
  const response = await fetch(`${at.httpUrl}/entries`, { method: "POST", body: frame });
  return { status: response.status, answer: (await response.json()) as RelayMessage };
}

async function stored(...lines: string[]): Promise<void> {
  const { status, answer } = await publish(lines);
  expect(answer).toMatchObject({ t: "ack" });
  expect(status).toBe(200);
}

function webFinger(query: string): Promise<Response> {
  return fetch(`${relay.httpUrl}/.well-known/webfinger${query}`);
}

const finger = (resource: string) => webFinger(`?resource=${encodeURIComponent(resource)}`);

/** GET with a Host header of choice, which fetch does not let through. */
function getAs(hostHeader: string, path: string): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${relay.httpUrl}${path}`, { headers: { host: hostHeader } }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        body += part;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, type: String(response.headers["content-type"]), body });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

const elsewhere = [
  { url: "wss://other.example", stream: "00000000000000aa" },
  { url: "wss://third.example", stream: "00000000000000bb" },
];

describe("a handle of this relay", () => {
  test("is refused to the second who lists it, with status 409 and the handle", async () => {
    const [one, two] = [new NamedAuthor(), new NamedAuthor()];
    await stored(one.newest.line, one.update({ handles: [`first@${host}`] }));
    await stored(two.newest.line);
    const { status, answer } = await publish([two.update({ handles: [`first@${host}`] })]);
    expect(status).toBe(409);
    expect(answer).toMatchObject({
      code: "handle-taken",
      retryable: false,
      details: { handle: `first@${host}`, reason: "listed" },
    });
    const genesis = new NamedAuthor({ handles: [`first@${host}`] });
    expect((await publish([genesis.newest.line])).answer).toMatchObject({ code: "handle-taken" });
    expect(await (await finger(`acct:first@${host}`)).json()).toMatchObject({
      aliases: expect.arrayContaining([one.did]),
    });
  });

  test("is not one that speaks for the relay, nor one too many", async () => {
    const one = new NamedAuthor({ handles: [`postmaster@${host}`] });
    expect(await publish([one.newest.line])).toMatchObject({
      status: 409,
      answer: { code: "handle-refused", details: { reason: "reserved" } },
    });
    const many = new NamedAuthor({ handles: ["x", "y", "z"].map((name) => `${name}@${host}`) });
    expect((await publish([many.newest.line])).answer).toMatchObject({ code: "handle-refused", details: { limit: 2 } });
  });

  test("does not hinder a rotate, alone or behind an update that lists it", async () => {
    const [one, two, three] = [new NamedAuthor(), new NamedAuthor(), new NamedAuthor()];
    await stored(one.newest.line, one.update({ handles: [`mine@${host}`] }));
    await stored(two.newest.line);
    await stored(two.rotate({ handles: [`mine@${host}`] }));
    await stored(three.newest.line, three.update({ handles: [`mine@${host}`] }), three.rotate());
    expect(await (await finger(`acct:mine@${host}`)).json()).toMatchObject({
      aliases: [one.did],
    });
  });
});

describe("WebFinger", () => {
  test("answers with the DID, its other names and its relays", async () => {
    const scout = new NamedAuthor({ relays: elsewhere, handles: [`scout@${host}`, "scout.example.com"] });
    await stored(scout.newest.line);
    const response = await finger(`acct:scout@${host}`);
    expect(response.headers.get("content-type")).toBe("application/jrd+json");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(await response.json()).toEqual({
      subject: `acct:scout@${host}`,
      aliases: [scout.did, "https://scout.example.com"],
      links: [
        { rel: "self", type: "application/did", href: scout.did },
        ...elsewhere.map(({ url, stream }) => {
          return { rel: "https://ants.dev/rel/relay", href: url, properties: { "https://ants.dev/ns/stream": stream } };
        }),
        {
          rel: "describedby",
          type: "application/did-resolution",
          href: `${relay.httpUrl}/1.0/identifiers/${scout.did}`,
        },
      ],
    });
    const byDid = (await (await finger(scout.did)).json()) as { subject: string; aliases: string[] };
    expect(byDid).toMatchObject({ subject: scout.did, aliases: [`acct:scout@${host}`, "https://scout.example.com"] });
  });

  test("gives those links only whose rel was asked for", async () => {
    const rel = encodeURIComponent("https://ants.dev/rel/relay");
    const query = `?resource=${encodeURIComponent(`acct:scout@${host}`)}&rel=${rel}&rel=unknown`;
    const { links } = (await (await webFinger(query)).json()) as { links: { rel: string }[] };
    expect(links.map((link) => link.rel)).toEqual(Array(2).fill("https://ants.dev/rel/relay"));
  });

  test.each([
    ["no resource", "", 400],
    ["an empty one", "?resource=", 400],
    ["two", "?resource=acct:a@b.example&resource=acct:c@b.example", 400],
    ["a resource that is no URI", "?resource=scout", 400],
    ["a name of nobody's", "?resource=acct:nobody@HOST", 404],
    ["a name under another host", "?resource=acct:scout@other.example", 404],
    ["a DID that is not here", `?resource=did:ants:${"a".repeat(52)}`, 404],
    ["a name longer than any", `?resource=acct:${"a".repeat(7_000)}@HOST`, 404],
    ["a name that is spelt as none is", "?resource=acct:Scout@HOST", 404],
    ["something like a DID, and too long", `?resource=did:ants:${"a".repeat(7_000)}`, 404],
    ["a mailbox", "?resource=mailto:scout@HOST", 404],
    ["a name that is kept for the relay", "?resource=acct:root@HOST", 404],
  ])("says to %s: %s: %d", async (_, query, status) => {
    const response = await webFinger(query.replace("HOST", host));
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code: status === 400 ? "bad-request" : "not-found" });
  });

  test("knows no longer what was dropped, and still who was deactivated", async () => {
    const scout = new NamedAuthor({ handles: [`brief@${host}`] });
    await stored(scout.newest.line, scout.claim(), scout.update({ handles: [] }));
    expect((await finger(`acct:brief@${host}`)).status).toBe(404);
    const ended = new NamedAuthor({ handles: [`ended@${host}`] });
    await stored(ended.newest.line, ended.claim(), ended.deactivate());
    expect((await finger(`acct:ended@${host}`)).status).toBe(200);
  });
});

describe("names longer than any", () => {
  const long = "a".repeat(7_000);

  test.each([
    `/agents/did:ants:${long}/head`,
    `/agents/did:ants:${long}/identity`,
    `/agents/did:ants:${long}/entries`,
    `/agents/did:ants:${long}/forks`,
    `/agents?escrow=${long}`,
    `/agents?escrow=z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc&after=did:ants:${long}`,
    `/1.0/identifiers/did:ants:${long}`,
  ])("are the asker's mistake: %.60s", async (path) => {
    const { status } = await fetch(`${relay.httpUrl}${path}`);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  test("also as the host that is asked", async () => {
    expect((await getAs(`${long}.example`, "/.well-known/ants-did")).status).toBe(404);
  });
});

describe("the line for a domain", () => {
  test("names the agent here that lists the domain, and its relays", async () => {
    const scout = new NamedAuthor({ relays: elsewhere, handles: ["web.example.org"] });
    await stored(scout.newest.line);
    expect((await getAs("web.example.org", "/.well-known/ants-did")).status).toBe(404);
    await stored(scout.claim());
    const answer = await getAs("WEB.example.org:8080", "/.well-known/ants-did");
    expect(answer).toEqual({
      status: 200,
      type: "text/plain; charset=utf-8",
      body: `did=${scout.did} relay=wss://other.example relay=wss://third.example\n`,
    });
  });

  test("is of the first that listed it among those that list it now", async () => {
    const [one, two] = [new NamedAuthor(), new NamedAuthor()];
    await stored(two.newest.line, two.claim());
    await stored(one.newest.line, one.claim(), one.update({ handles: ["name.example.org"] }));
    await stored(two.update({ handles: ["name.example.org"] }));
    const did = async () => (await getAs("name.example.org", "/.well-known/ants-did")).body.trim().slice("did=".length);
    expect(await did()).toBe(one.did);
    await stored(one.update({ handles: [] }));
    expect(await did()).toBe(two.did);
    await stored(one.update({ handles: ["name.example.org"] }));
    expect(await did()).toBe(one.did);
  });

  test.each(["127.0.0.1", "unknown.example.org", "[::1]", "x y"])("is nobody's for %s", async (name) => {
    expect((await getAs(name, "/.well-known/ants-did")).status).toBe(404);
  });
});

describe("agents by their escrow key", () => {
  test("come in the order of their arrival, a page at a time, copies behind the original", async () => {
    const victim = new NamedAuthor();
    await stored(victim.newest.line);
    const escrow = generateSeed();
    const first = new NamedAuthor({ escrow });
    const copies = Array.from({ length: 4 }, () => new NamedAuthor({ escrow }));
    for (const one of [first, ...copies]) await stored(one.newest.line);
    const page = async (more = "") => {
      const response = await fetch(`${relay.httpUrl}/agents?escrow=${first.escrow}${more}`);
      return (await response.json()) as { dids: string[]; next?: string };
    };
    const all = [first, ...copies].map(({ did }) => did);
    expect(await page()).toEqual({ dids: all });
    expect(await page("&limit=2")).toEqual({ dids: all.slice(0, 2), next: all[1] });
    expect(await page(`&limit=2&after=${all[1]}`)).toEqual({ dids: all.slice(2, 4), next: all[3] });
    expect(await page(`&limit=2&after=${all[3]}`)).toEqual({ dids: all.slice(4) });
    expect(await (await fetch(`${relay.httpUrl}/agents?escrow=${victim.escrow}`)).json()).toEqual({
      dids: [victim.did],
    });
  });

  test("are nobody for a key that no operation has, and an error for what is no such key", async () => {
    const ask = (query: string) => fetch(`${relay.httpUrl}/agents${query}`);
    const unknown = new NamedAuthor();
    expect(await (await ask(`?escrow=${unknown.escrow}`)).json()).toEqual({ dids: [] });
    for (const query of ["", "?escrow=z6Mk", `?escrow=${unknown.key}`, `?escrow=${unknown.escrow}&limit=0`]) {
      expect((await ask(query)).status).toBe(400);
    }
    expect((await ask(`?escrow=${unknown.escrow}&after=${unknown.did}`)).status).toBe(404);
  });
});

describe("an agent that left", () => {
  test("is still known: its head says where it went, and later operations are taken", async () => {
    const scout = new NamedAuthor({ relays: [{ url: relay.url, stream: relay.stream }], handles: [`mover@${host}`] });
    await stored(scout.newest.line, scout.claim());
    const head = async () => (await fetch(`${relay.httpUrl}/agents/${scout.did}/head`)).json();
    expect(await head()).not.toHaveProperty("forward");
    await stored(scout.update({ relays: elsewhere }));
    expect(await head()).toMatchObject({ forward: elsewhere });
    const jrd = (await (await finger(`acct:mover@${host}`)).json()) as { links: { href: string }[] };
    expect(jrd.links.map(({ href }) => href)).toEqual(expect.arrayContaining(elsewhere.map(({ url }) => url)));
    await stored(scout.rotate({ relays: elsewhere.slice(1) }));
    expect(await head()).toMatchObject({ forward: elsewhere.slice(1) });
  });
});

describe("a ban", () => {
  test("refuses all that is of the agent, and serves what is there", async () => {
    const scout = new NamedAuthor({ handles: ["gone.example.org"] });
    const data = temporaryFolder();
    {
      await using before = await startTestRelay({ config: { data } });
      expect((await publish([scout.newest.line], before)).status).toBe(200);
    }
    const ban = `${scout.did}, did:ants:${"a".repeat(52)}`;
    await using banning = await startTestRelay({ config: { data, ban } });
    const other = new NamedAuthor();
    expect((await publish([scout.claim()], banning)).answer).toMatchObject({ code: "banned" });
    expect((await publish([scout.update({ handles: [] })], banning)).answer).toMatchObject({ code: "banned" });
    for (const path of [
      `/1.0/identifiers/${scout.did}`,
      `/agents/${scout.did}/identity`,
      `/agents/${scout.did}/head`,
    ]) {
      expect((await fetch(`${banning.httpUrl}${path}`)).status).toBe(200);
    }
    expect(await publish([scout.newest.line], banning)).toMatchObject({
      status: 403,
      answer: { code: "banned", retryable: false, details: { did: scout.did } },
    });
    expect((await publish([other.newest.line], banning)).status).toBe(200);
    expect((await publish([other.newest.line, scout.newest.line], banning)).answer).toMatchObject({ code: "banned" });
  });

  test("is refused where it names what is no DID", async () => {
    await expect(startTestRelay({ config: { ban: "did:web:example.org" } })).rejects.toMatchObject({
      code: "config-value",
    });
  });
});
