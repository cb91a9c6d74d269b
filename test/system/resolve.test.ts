import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADDRESS, startKnot, startNginx } from "../support/name-servers.js";
import { canHaveNetwork, missing, NO_NETWORK, OwnNetwork, type Ran } from "../support/own-network.js";
import { Owner } from "../support/owner.js";
import { RelayProcess } from "../support/relay-process.js";

/**
 * Handles in a network of their own (N8, I12): Knot DNS, nginx with certificates of an own authority, a relay behind it,
 * and `ants resolve` as people run it. Nothing is allowed that isn't for everyone: no private addresses, TLS throughout.
 */

const ANTS = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
const RELAY = "wss://relay.example.test";
const RELAY_PORT = 7400;
const WELL_KNOWN = "/.well-known/ants-did";
const lacking = missing("knotd", "nginx", "openssl");

let network: OwnNetwork;
let relay: RelayProcess;
let knot: ChildProcess;
let web: Awaited<ReturnType<typeof startNginx>>;
/** Names itself by every handle that is to be verified. */
let scout: Owner;
/** Names a handle that leads to somebody else, and is led to by one that it doesn't name. */
let other: Owner;
const folder = mkdtempSync(join(tmpdir(), "ants-resolve-"));
let met = 0;

const WORKING = ["dns", "web", "moved", "strings"].map((name) => `${name}.example.test`);
const ACCOUNT = "scout@host.example.test";
const CLAIMED = "claimed.example.test";
const UNNAMED = "unnamed.example.test";

const mustRun = (canHaveNetwork && lacking.length === 0) || process.env.CI !== undefined;

it.runIf(!mustRun)("says why no name was resolved in a network of its own", () => {
  const why = lacking.length > 0 ? `not installed: ${lacking.join(", ")}` : NO_NETWORK;
  console.log(`skipped: ${why}; with CI set this fails`);
});

describe.runIf(mustRun)("ants resolve, against a real DNS and a real web server", () => {
  beforeAll(async () => {
    expect([canHaveNetwork ? "" : NO_NETWORK, ...lacking]).toEqual([""]);
    network = await OwnNetwork.start([ADDRESS.dns, ADDRESS.web]);
    const flags = ["--port", String(RELAY_PORT), "--public-url", RELAY];
    relay = await RelayProcess.start({ data: made("relay"), flags, under: network.under });
    await fillRelay();
    const documents = made("documents");
    writeDocuments(documents);
    [knot, web] = await Promise.all([
      startKnot(network, made("knot"), zone()),
      startNginx(network, made("nginx"), sites(documents)),
    ]);
  });

  afterAll(async () => {
    await relay?.kill("SIGTERM");
    await network?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it.concurrent.each([...WORKING, ACCOUNT, `@${ACCOUNT.toUpperCase()}`])("%s is verified", async (handle) => {
    const { result, exit } = await resolve(handle);
    expect(result).toMatchObject({ status: "verified", did: scout.did, relays: [{ url: RELAY }] });
    expect(exit).toBe(0);
  });

  it("a mismatch in each direction: not named back, and named by who it doesn't lead to", async () => {
    const unnamed = await resolve(UNNAMED);
    expect(unnamed.result).toMatchObject({ status: "mismatch", dids: [other.did] });
    const claimed = await resolve(CLAIMED);
    expect(claimed.result).toMatchObject({ status: "mismatch", dids: [scout.did] });
    expect(other.genesis.operation.handles).toContain(CLAIMED);
    const several = await resolve("several.example.test");
    expect(several.result).toMatchObject({ status: "mismatch", dids: [scout.did, other.did].sort() });
    expect([unnamed.exit, claimed.exit, several.exit]).toEqual([1, 1, 1]);
  });

  it.concurrent.each([
    ["nobody.example.test", "DNS without a record, web without a file"],
    ["void.example.test", "a name that the DNS doesn't have"],
    ["ghost@host.example.test", "an account that its host doesn't know"],
    ["ghost@void.example.test", "an account at a host that the DNS doesn't have"],
  ])("%s is not found: %s", async (handle) => {
    const { result, exit } = await resolve(handle);
    expect(result.asked.map(({ answer }) => answer)).not.toContain("failed");
    expect([result.status, exit]).toEqual(["not-found", 1]);
  });

  it.concurrent.each([
    ["error.example.test", "web-status"],
    ["error@error.example.test", "web-status"],
    ["slow.example.test", "request-timeout"],
    ["circle.example.test", "web-redirect"],
    ["plain.example.test", "web-redirect"],
    ["lead-inside.example.test", "private-address"],
    ["lead-to-address.example.test", "private-address"],
    ["inside.example.test", "private-address"],
    ["big.example.test", "too-large"],
    ["page.example.test", "web-content-type"],
    ["page@page.example.test", "web-content-type"],
    ["typo.example.test", "hint-syntax"],
    ["name.broken.test", "dns-failed"],
    ["nobody@name.broken.test", "web-unreachable"],
    ["nobody@deep.sub.example.test", "web-unreachable"],
  ])('%s says nothing that counts (%s): that is not "not found"', async (handle, code) => {
    const { result, exit } = await resolve(handle);
    expect(result.asked.flatMap((asked) => ("code" in asked ? [asked.code] : []))).toContain(code);
    expect([result.status, exit]).toEqual(["unreachable", 69]);
  });

  it("nothing was asked at an address of this machine", () => {
    expect(web.visitorsInside()).toBe("");
  });

  it("a DNS that is silent: unreachable; for who met the agent before, stale", async () => {
    const home = made("met");
    expect((await resolve(WORKING[0]!, { home })).result.status).toBe("verified");
    knot.kill("SIGSTOP");
    try {
      const [stranger, nobody, met] = await Promise.all([
        resolve(WORKING[1]!),
        resolve("nobody.example.test"),
        resolve(WORKING[0]!, { home, flags: ["--fresh"] }),
      ]);
      expect([stranger.result.status, stranger.exit]).toEqual(["unreachable", 69]);
      expect([nobody.result.status, nobody.exit]).toEqual(["unreachable", 69]);
      expect([met.result.status, met.exit]).toEqual(["stale", 3]);
      expect(met.result).toMatchObject({ did: scout.did });
    } finally {
      knot.kill("SIGCONT");
    }
  });

  it("the relay is asked by name through the same DNS, and its certificate is checked", async () => {
    const unknown = await resolve(scout.did, { flags: ["--relay", RELAY], env: { NODE_EXTRA_CA_CERTS: "" } });
    expect([unknown.result.status, unknown.exit]).toEqual(["unreachable", 69]);
    const document = await ants(["resolve", scout.did, "--relay", RELAY, "--document", "--json"]);
    expect(JSON.parse(document.stdout)).toMatchObject({ id: scout.did, service: [{ serviceEndpoint: RELAY }] });
  });
});

/** Both agents' identities, taken to the relay by a process that can reach it. */
async function fillRelay(): Promise<void> {
  const at = [{ url: RELAY, stream: relay.stream }];
  scout = new Owner(at, { handles: [...WORKING, ACCOUNT] });
  other = new Owner(at, { handles: [CLAIMED] });
  for (const { did, line } of [scout.genesis, other.genesis]) {
    const address = `http://127.0.0.1:${RELAY_PORT}/agents/${did}/identity`;
    const program = `fetch(process.argv[1], { method: "POST", body: process.argv[2] + "\\n" }).then((answer) => process.exit(answer.ok ? 0 : 1))`;
    expect((await network.run([process.execPath, "-e", program, address, line])).exit).toBe(0);
  }
}

/** The zone's records. Every host is the web server, but for the one that leads into this machine. */
function zone(): string[] {
  const hint = (owner: Owner) => `did=${owner.did} relay=${RELAY}`;
  const hosts = [...Object.keys(sites("")), "nobody.example.test", "deep.sub.example.test"];
  return [
    `ns A ${ADDRESS.dns}`,
    `inside A ${ADDRESS.inside}`,
    ...[...new Set([...hosts, ...WORKING, CLAIMED, UNNAMED])].map((host) => `${host}. A ${ADDRESS.web}`),
    `_ants.dns TXT "v=spf1 -all"`,
    `_ants.dns TXT "${hint(scout)}"`,
    `_ants.strings TXT "did=${scout.did} rel" "ay=${RELAY}"`,
    `_ants.several TXT "${hint(scout)}"`,
    `_ants.several TXT "${hint(other)}"`,
    `_ants.unnamed TXT "${hint(other)}"`,
    `_ants.claimed TXT "${hint(scout)}"`,
    `_ants.typo TXT "did=did:ants:tooshort"`,
  ];
}

/** What each host answers; documents are files of their own in a folder. */
function sites(documents: string): Record<string, readonly string[]> {
  const text = (name: string, type = "text/plain") =>
    `location = ${WELL_KNOWN} { default_type ${type}; alias ${documents}/${name}; }`;
  const leads = (to: string) => [`location = ${WELL_KNOWN} { return 302 ${to}; }`];
  return {
    "relay.example.test": [
      `location / { proxy_pass http://127.0.0.1:${RELAY_PORT}; proxy_http_version 1.1;`,
      `proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $host; }`,
    ],
    "web.example.test": [text("hint")],
    "moved.example.test": leads(`https://web.example.test${WELL_KNOWN}`),
    "host.example.test": [
      `location = /.well-known/webfinger { default_type application/jrd+json;`,
      `if ($arg_resource = "acct%3Ascout%40host.example.test") { rewrite .* /jrd last; } return 404; }`,
      `location = /jrd { internal; default_type application/jrd+json; alias ${documents}/jrd; }`,
    ],
    "error.example.test": ["return 503;"],
    "slow.example.test": [
      `location = ${WELL_KNOWN} { default_type text/plain; limit_rate 1; alias ${documents}/hint; }`,
    ],
    "circle.example.test": leads(`https://other-circle.example.test${WELL_KNOWN}`),
    "other-circle.example.test": leads(`https://circle.example.test${WELL_KNOWN}`),
    "plain.example.test": leads(`http://web.example.test${WELL_KNOWN}`),
    "lead-inside.example.test": leads(`https://inside.example.test${WELL_KNOWN}`),
    "lead-to-address.example.test": leads(`https://127.0.0.1${WELL_KNOWN}`),
    "big.example.test": [text("big")],
    "page.example.test": [`default_type text/html; return 200 "<p>hello";`],
    "several.example.test": ["return 404;"],
  };
}

function writeDocuments(documents: string): void {
  const hint = `did=${scout.did} relay=${RELAY}\n`;
  writeFileSync(join(documents, "hint"), hint);
  writeFileSync(join(documents, "big"), hint.repeat(Math.ceil((10 * 2 ** 20) / hint.length)));
  const links = [
    { rel: "self", href: scout.did },
    { rel: "https://ants.dev/rel/relay", href: RELAY },
  ];
  writeFileSync(join(documents, "jrd"), JSON.stringify({ subject: `acct:${ACCOUNT}`, links }));
}

interface Result {
  readonly status: string;
  readonly did?: string;
  readonly asked: readonly { readonly answer: string; readonly code?: string }[];
}

interface Asking {
  /** What was met and cached is kept there; each call is a first meeting unless it is given. */
  readonly home?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

async function resolve(name: string, asking: Asking = {}): Promise<{ result: Result; exit: number | null }> {
  const { stdout, stderr, exit } = await ants(["resolve", name, "--json", ...(asking.flags ?? [])], asking);
  expect(stderr).toBe("");
  return { result: JSON.parse(stdout) as Result, exit };
}

function ants(args: readonly string[], { home = made(`met-${++met}`), env = {} }: Asking = {}): Promise<Ran> {
  return network.run([process.execPath, ANTS, ...args], {
    HOME: home,
    ANTS_DNS: ADDRESS.dns,
    NODE_EXTRA_CA_CERTS: web.authority,
    ...env,
  });
}

function made(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}
