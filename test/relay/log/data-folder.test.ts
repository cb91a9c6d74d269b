import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { DataFolder } from "../../../relay/data-folder.js";
import type { Ledger } from "../../../relay/ledger.js";
import { entriesOf } from "../../../relay/log/log-slice.js";
import { verifyCheckpoint } from "../../../src/protocol/checkpoint.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { did, genesis } from "../../protocol/author.js";
import { chain, disk, openLedger, optionsFor, publish, signHead } from "./folder-bench.js";

const frames = chain(300);
const lines = frames.flat();

/** A folder whose relay took all frames, signed its head and ended. */
async function served(notes = frames, more: Parameters<typeof openLedger>[1] = {}): Promise<string> {
  const folder = temporaryFolder();
  const ledger = await openLedger(folder, more);
  await publish(ledger, notes);
  await signHead(ledger);
  await ledger.close();
  return folder;
}

async function allLines({ folder: { log } }: Ledger): Promise<string[]> {
  const found: string[] = [];
  for await (const slice of log.slices(log.firstPosition)) {
    for (const { line } of entriesOf(slice)) found.push(Buffer.from(line).toString("utf8"));
  }
  return found;
}

const inData = (folder: string, ...names: string[]) => join(folder, "data", ...names);
const segments = (folder: string) => readdirSync(inData(folder, "log")).sort();
/** With times as they are, to the nanosecond. */
const copyFolder = (from: string, to: string) => expect(spawnSync("cp", ["-a", from, to]).status).toBe(0);
const removeDerived = (folder: string, ...names: string[]) => {
  for (const name of names) rmSync(inData(folder, name), { recursive: true });
};

describe("a data folder", () => {
  it("is created with an identity of its own, readable by its owner only, and locked", async () => {
    const folder = temporaryFolder();
    const ledger = await openLedger(folder);
    expect(ledger.folder.stream).toMatch(/^[0-9a-f]{16}$/);
    expect(ledger.folder.key).toMatch(/^z6Mk/);
    expect(statSync(inData(folder, "relay.json")).mode & 0o777).toBe(0o600);
    expect(statSync(inData(folder)).mode & 0o777).toBe(0o700);
    await expect(openLedger(folder)).rejects.toMatchObject({ code: "locked", details: { label: "a test" } });
    await ledger.close();
    const again = await openLedger(folder);
    expect(again.folder.stream).toBe(ledger.folder.stream);
    await again.close();
  });

  it("is the same after it was closed and opened, and goes on", async () => {
    const folder = temporaryFolder();
    let ledger = await openLedger(folder);
    for (const [i, frame] of frames.entries()) {
      await publish(ledger, [frame]);
      if (i % 3 !== 0) continue;
      const root = ledger.folder.tree.root();
      await ledger.close();
      ledger = await openLedger(folder);
      expect(ledger.folder.tree.root()).toEqual(root);
      expect(ledger.folder.index.rebuild).toBe(undefined);
    }
    expect(segments(folder).length).toBeGreaterThan(3);
    expect(await allLines(ledger)).toEqual(lines);
    await ledger.close();
  });

  it("keeps the head on disk before it hands it out", async () => {
    const folder = temporaryFolder();
    const ledger = await openLedger(folder);
    await publish(ledger, frames);
    const note = await signHead(ledger);
    expect(readFileSync(inData(folder, "head"), "utf8")).toBe(note);
    const { key, stream, tree } = ledger.folder;
    expect(verifyCheckpoint(note, { key, stream })).toMatchObject({ size: lines.length, root: tree.root() });
    await ledger.close();
  });

  it("derives tree, offsets and index anew when they are deleted, each alone and all at once", async () => {
    const folder = await served();
    const before = await openLedger(folder);
    const answers = snapshot(before);
    await before.close();
    for (const names of [["index"], ["tree"], ["offsets"], ["index", "tree", "offsets"]]) {
      removeDerived(folder, ...names);
      const ledger = await openLedger(folder);
      expect(ledger.folder.index.rebuild).toBe(names.includes("index") ? "missing" : undefined);
      expect(snapshot(ledger)).toEqual(answers);
      await ledger.close();
    }
  });

  it("knows an agent's newest operation and its fork proofs", async () => {
    const ledger = await openLedger(await served());
    expect(ledger.folder.newestIdentity(did)?.hash).toBe(genesis.hash);
    expect(ledger.folder.newestIdentity("did:ants:nobody")).toBeUndefined();
    for await (const proof of ledger.folder.forkProofs(did)) expect(proof).toBeUndefined();
    await ledger.close();
  });
});

/** What the derived files answer. */
function snapshot({ folder: { index, tree } }: Ledger) {
  const agent = index.agent(did)!;
  const all = { limit: 10_000, maxSteps: 1_000_000 };
  return {
    agent,
    chain: index.chainFrom(agent.no, 0, 10_000).map((event) => ({ ...event })),
    root: tree.root(),
    middle: tree.rootAt(100),
    notes: index.search({ kinds: ["note"], tags: ["t"] }, 0, all),
    operation: index.byId(genesis.hash),
  };
}

describe("a log that is not what the relay signed", () => {
  let folder: string;
  let older: string;

  beforeEach(async () => {
    // Signed twice: a copy of the log from the first time is what a backup restores.
    folder = temporaryFolder();
    const ledger = await openLedger(folder);
    await publish(ledger, frames.slice(0, 4));
    await signHead(ledger);
    await ledger.close();
    older = temporaryFolder();
    copyFolder(inData(folder), inData(older));
    const again = await openLedger(folder);
    await publish(again, frames.slice(4));
    await signHead(again);
    await again.close();
  });

  function copyOf(source: string): string {
    const copy = temporaryFolder();
    copyFolder(inData(source), inData(copy));
    return copy;
  }

  it("is refused when it is an older copy: entries are lost", async () => {
    const restored = copyOf(older);
    cpSync(inData(folder, "head"), inData(restored, "head"));
    const error = await openLedger(restored).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "log-behind-head", details: { headSize: lines.length } });
    expect((error as { hint: string }).hint).toContain("new stream");
  });

  it("is served under a new stream when the operator says so, with the same key", async () => {
    const restored = copyOf(older);
    cpSync(inData(folder, "head"), inData(restored, "head"));
    const ledger = await openLedger(restored, { newStream: true });
    const was = JSON.parse(readFileSync(inData(folder, "relay.json"), "utf8"));
    const { stream, key } = ledger.folder;
    expect(stream).not.toBe(was.stream);
    expect(JSON.parse(readFileSync(inData(restored, "relay.json"), "utf8"))).toMatchObject({
      stream,
      formerStreams: [was.stream],
      seed: was.seed,
    });
    expect(await allLines(ledger)).toEqual(frames.slice(0, 4).flat());
    await publish(ledger, frames.slice(4));
    const note = await signHead(ledger);
    expect(verifyCheckpoint(note, { key, stream }).size).toBe(lines.length);
    await ledger.close();
    const again = await openLedger(restored);
    expect(again.folder.stream).toBe(stream);
    await again.close();
  });

  it("passes over a head of a former stream, which a crash in the middle of that leaves", async () => {
    const restored = copyOf(older);
    const oldHead = readFileSync(inData(folder, "head"));
    const first = await openLedger(restored, { newStream: true });
    await first.close();
    writeFileSync(inData(restored, "head"), oldHead);
    const ledger = await openLedger(restored);
    expect(await allLines(ledger)).toEqual(frames.slice(0, 4).flat());
    await ledger.close();
  });

  for (const derived of [["tree", "offsets", "index"], ["offsets"], []]) {
    it(`is refused when an old entry is another (${derived.length === 0 ? "nothing" : derived} deleted)`, async () => {
      const changed = copyOf(folder);
      const path = inData(changed, "log", segments(changed)[1]!);
      const text = readFileSync(path, "utf8");
      const others = chain(300, "other").flat();
      const at = lines.indexOf(text.slice(0, text.indexOf("\n")));
      const swapped = [...text.split("\n").slice(0, -1)];
      swapped[3] = others[at + 3]!;
      writeFileSync(path, `${swapped.join("\n")}\n`);
      removeDerived(changed, ...derived);
      await expect(openLedger(changed)).rejects.toMatchObject({ code: "log-rewritten" });
      const ledger = await openLedger(changed, { newStream: true }).catch((error: unknown) => error);
      // The chain is broken at this place, so what follows the swapped entry can be served but joins no chain.
      expect(ledger).not.toMatchObject({ code: "log-rewritten" });
      if ("close" in (ledger as Ledger)) await (ledger as Ledger).close();
    });
  }

  it("is refused when two entries change places, and when one is doubled or missing", async () => {
    const changes: ((entries: string[]) => void)[] = [
      (entries) => entries.splice(2, 2, entries[3]!, entries[2]!),
      (entries) => entries.splice(2, 0, entries[2]!),
      (entries) => entries.splice(2, 1),
    ];
    for (const change of changes) {
      const changed = copyOf(folder);
      const path = inData(changed, "log", segments(changed).at(-1)!);
      const entries = readFileSync(path, "utf8").split("\n").slice(0, -1);
      change(entries);
      writeFileSync(path, `${entries.join("\n")}\n`);
      await expect(openLedger(changed)).rejects.toMatchObject({ code: /^log-(rewritten|behind-head)$/ });
    }
  });

  it("is opened when only its times changed, as a restored copy's do", async () => {
    const copy = temporaryFolder();
    cpSync(inData(folder), inData(copy), { recursive: true });
    const ledger = await openLedger(copy);
    expect(ledger.folder.log.changed.length).toBe(segments(copy).length);
    expect(await allLines(ledger)).toEqual(lines);
    await ledger.close();
  });
});

describe("a folder that lost other files", () => {
  it("refuses a missing, damaged or newer identity file, and makes no second identity", async () => {
    const folder = await served();
    const path = inData(folder, "relay.json");
    const whole = readFileSync(path, "utf8");
    for (const [text, code] of [
      [undefined, "relay-file-missing"],
      ["{", "relay-file-damaged"],
      ["[]", "relay-file-version"],
      [whole.replace('"v":1', '"v":2'), "relay-file-version"],
      [whole.replace(/"stream":"./, '"stream":"x'), "relay-file-damaged"],
      [whole.replace(/"seed":"..../, '"seed":"'), "relay-file-damaged"],
    ] as const) {
      if (text === undefined) rmSync(path);
      else writeFileSync(path, text);
      await expect(DataFolder.open(optionsFor(folder))).rejects.toMatchObject({ code });
    }
    writeFileSync(path, whole);
    await (await openLedger(folder)).close();
  });

  it("refuses to begin a stream again whose log is gone, and begins a new one where the operator says so", async () => {
    const folder = await served();
    const { stream } = JSON.parse(readFileSync(inData(folder, "relay.json"), "utf8"));
    rmSync(inData(folder, "log"), { recursive: true });
    await expect(openLedger(folder)).rejects.toMatchObject({ code: "log-behind-head" });
    for (const name of readdirSync(inData(folder)))
      if (name !== "relay.json") rmSync(inData(folder, name), { recursive: true });
    for (let again = 0; again < 2; again++) {
      const refused = { code: "log-missing", hint: expect.stringContaining("--new-stream"), details: { stream } };
      await expect(openLedger(folder)).rejects.toMatchObject(refused);
    }
    const ledger = await openLedger(folder, { newStream: true });
    expect(ledger.folder.stream).not.toBe(stream);
    expect(ledger.folder.log.lastPosition).toBe(0);
    await ledger.close();
    await (await openLedger(folder)).close();
  });

  it("goes on where it was cut off while it was made: before its identity, and before its first entry", async () => {
    const folder = temporaryFolder();
    mkdirSync(inData(folder, "log"), { recursive: true });
    const ledger = await openLedger(folder);
    const { stream } = ledger.folder;
    await ledger.close();
    for (const name of readdirSync(inData(folder)))
      if (name !== "relay.json") rmSync(inData(folder, name), { recursive: true });
    mkdirSync(inData(folder, "log"));
    const again = await openLedger(folder);
    expect(again.folder.stream).toBe(stream);
    await again.close();
  });

  it("has the folder of its log on disk before its identity", async () => {
    const folder = temporaryFolder();
    const made: string[] = [];
    const watched: typeof disk = {
      ...disk,
      mkdir: async (path) => {
        await disk.mkdir(path);
        made.push(basename(path));
      },
      replace: async (path, ...rest) => {
        await disk.replace(path, ...rest);
        made.push(basename(path));
      },
    };
    await (await openLedger(folder, { disk: watched })).close();
    expect(made.indexOf("log")).toBeGreaterThanOrEqual(0);
    expect(made.indexOf("log")).toBeLessThan(made.indexOf("relay.json"));
  });

  it("begins a new stream over what is there when its head or its identity is lost and the operator says so", async () => {
    for (const harm of [
      (folder: string) => writeFileSync(inData(folder, "head"), "nonsense"),
      (folder: string) => rmSync(inData(folder, "relay.json")),
    ]) {
      const folder = await served();
      const { stream } = JSON.parse(readFileSync(inData(folder, "relay.json"), "utf8"));
      harm(folder);
      await expect(openLedger(folder)).rejects.toMatchObject({ code: /^(head-damaged|relay-file-missing)$/ });
      const ledger = await openLedger(folder, { newStream: true });
      expect(ledger.folder.stream).not.toBe(stream);
      expect(await allLines(ledger)).toEqual(lines);
      await signHead(ledger);
      await ledger.close();
      await (await openLedger(folder)).close();
    }
  });

  it("refuses a head that it did not sign", async () => {
    const folder = await served();
    const path = inData(folder, "head");
    const whole = readFileSync(path, "utf8");
    const other = await served();
    for (const text of [
      "",
      "nonsense",
      whole.replace("\n302\n", "\n301\n"),
      readFileSync(inData(other, "head"), "utf8"),
    ]) {
      writeFileSync(path, text);
      await expect(DataFolder.open(optionsFor(folder))).rejects.toMatchObject({ code: "head-damaged" });
    }
    writeFileSync(path, whole);
    await (await openLedger(folder)).close();
  });

  it("serves a log without its oldest segments, but cannot rebuild what came from them", async () => {
    const folder = await served(chain(700));
    const answers = await openLedger(folder).then(async (ledger) => {
      const { root, chain: events } = snapshot(ledger);
      await ledger.close();
      return { root, events: events.length };
    });
    for (const name of segments(folder).slice(0, 4)) rmSync(inData(folder, "log", name));
    const ledger = await openLedger(folder);
    expect(ledger.folder.log.firstPosition).toBeGreaterThan(100);
    expect(ledger.folder.tree.root()).toEqual(answers.root);
    expect(ledger.folder.index.chainFrom(1, 0, 10_000)).toHaveLength(answers.events);
    await ledger.close();
    cpSync(inData(folder, "index"), join(folder, "index-copy"), { recursive: true });
    rmSync(inData(folder, "index"), { recursive: true });
    await expect(openLedger(folder)).rejects.toMatchObject({ code: "index-needs-pruned" });
    rmSync(inData(folder, "index"), { recursive: true });
    cpSync(join(folder, "index-copy"), inData(folder, "index"), { recursive: true });
    await (await openLedger(folder)).close();
    rmSync(inData(folder, "tree"), { recursive: true });
    await expect(openLedger(folder)).rejects.toMatchObject({ code: "tree-damaged" });
  });

  it("serves it also where no full tile covers the removed entries, or later tiles were lost in a crash", async () => {
    const short = await served(chain(200));
    for (const name of segments(short).slice(0, -1)) rmSync(inData(short, "log", name));
    const partial = await openLedger(short);
    expect(partial.folder.log.firstPosition % 256).toBeGreaterThan(1);
    expect(partial.folder.tree.size).toBe(202);
    await partial.close();

    const long = await served(chain(700));
    for (const name of segments(long).slice(0, 2)) rmSync(inData(long, "log", name));
    rmSync(inData(long, "tree", "tile", "0", "001"));
    const fewer = await openLedger(long);
    expect(fewer.folder.tree.size).toBe(702);
    await fewer.close();
  });
});
