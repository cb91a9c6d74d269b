import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { follow } from "ants-agent";
import { startTestRelay } from "ants-agent/testing";
import { type BuildOptions, build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PageProgram } from "../browser/page.js";
import { HostOfHandles } from "../support/host-of-handles.js";
import { give, Owner } from "../support/owner.js";

declare const ants: PageProgram;

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const NOTES = 300;

/** As an application's bundler does it: by the package's own exports and imports, with no help from us. */
const FOR_BROWSERS: BuildOptions & { write: false; metafile: true } = {
  absWorkingDir: PACKAGE,
  bundle: true,
  platform: "browser",
  format: "esm",
  write: false,
  metafile: true,
  logLevel: "silent",
};

function onPath(...names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

describe("the root door, bundled for browsers", () => {
  it("takes nothing of Node along, and stays small", async () => {
    const source = { contents: 'export * from "ants-agent";', resolveDir: PACKAGE };
    const { metafile, outputFiles } = await build({ ...FOR_BROWSERS, stdin: source, minify: true });
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports.map(({ path }) => path));
    expect(imports.filter((path) => path.startsWith("node:"))).toEqual([]);
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.filter((path) => /\/node\/|\/node\.js$|node_modules\/ws\//.test(path))).toEqual([]);
    const { contents, text } = outputFiles[0]!;
    const [ofNode] = /.{0,40}(?:\bBuffer\b|\bprocess\.[a-z]|\brequire\(|["']node:).{0,40}/.exec(text) ?? [];
    expect(ofNode).toBeUndefined();
    const [kib, zipped] = [contents.length, gzipSync(contents).length].map((bytes) => Math.round(bytes / 1024));
    console.log(`the root door for browsers: ${kib} KiB minified, ${zipped} KiB with gzip`);
    expect(zipped).toBeLessThanOrEqual(100);
  });
});

const executablePath = onPath("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
const mustRun = executablePath !== undefined || process.env.CI !== undefined;

it.runIf(!mustRun)("says why nothing was tried in a browser", () => {
  console.log("skipped: no chromium on the PATH (apt-get install chromium); with CI set this fails");
});

describe.runIf(mustRun)("the root door in headless Chromium", () => {
  const server = createServer();
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    if (executablePath === undefined) throw new Error("no chromium on the PATH (apt-get install chromium)");
    const { outputFiles } = await build({ ...FOR_BROWSERS, entryPoints: ["test/browser/page.ts"] });
    const script = outputFiles[0]!.contents;
    server.on("request", ({ url }, response) => {
      if (url === "/page.js") response.setHeader("content-type", "text/javascript").end(script);
      else response.setHeader("content-type", "text/html").end('<script type="module" src="/page.js"></script>');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // Chromium's own sandbox does not start as root.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await chromium.launch({ executablePath, args });
    page = await browser.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("globalThis.ants !== undefined");
  });

  afterAll(async () => {
    await browser?.close();
    server.close();
  });

  it("creates an identity, signs an event and verifies it; no flipped bit passes", async () => {
    const result = await page.evaluate(() => ants.signAndVerify());
    expect(result).toMatchObject({ did: expect.stringMatching(/^did:ants:[a-z2-7]{52}$/), backends: ["noble"] });
    expect(result).toMatchObject({ verified: true, accepted: 0 });
    expect(result.flips).toBeGreaterThan(500);
  });

  it("holds the pen, publishes to a relay and follows it by WebSocket; Node reads the same", async () => {
    await using relay = await startTestRelay();
    const { url, stream } = relay;
    const { did, published, followed, problems } = await page.evaluate(
      ([url, stream, notes]) => ants.publishAndFollow({ url, stream }, notes),
      [url, stream, NOTES] as const,
    );
    expect(problems).toEqual([]);
    expect(published).toHaveLength(NOTES);
    expect(followed).toEqual(published);
    const read: string[] = [];
    for await (const item of follow({ relays: [url], filter: { dids: [did] }, live: false })) {
      if (item.type === "event" && item.event.event.kind === "note") read.push(item.event.id);
    }
    expect(read).toEqual(published);
    expect(complaints).toEqual([]);
  });

  it("resolves a handle by WebFinger; of a domain it says that no DNS can be asked, not that there is none", async () => {
    await using relay = await startTestRelay();
    await using host = await HostOfHandles.start();
    const handle = host.handle("scout");
    const owner = new Owner([relay], { handles: [handle] });
    await give(relay, owner.genesis);
    host.saysWhose(owner.did, [relay.url], { "access-control-allow-origin": "*" });
    const found = await page.evaluate((name) => ants.resolve(name), handle);
    expect(found).toEqual({ status: "verified", did: owner.did, answers: ["webfinger: did", "relay: log"] });
    const domain = await page.evaluate((name) => ants.resolve(name), "scout.invalid");
    expect(domain).toEqual({ status: "unreachable", answers: ["dns: not-asked", "well-known: failed"] });
  });
});
