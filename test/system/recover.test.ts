import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startTestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { generateSeed, publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { createIdentity } from "../../keys/identity/create.js";
import { parseOperation } from "../../keys/identity/operation.js";
import { decodeMultikey } from "../../keys/multikey.js";
import { parsePhrase, phraseKeys } from "../../keys/phrase.js";
import { Wire } from "../relay/server/wire.js";
import { headAt, OwnerPlace } from "../support/owner-place.js";

const FRIEND = `did:ants:${"a".repeat(52)}`;

/** The variables of an empty machine. */
function machine(place: OwnerPlace, name: string): string {
  const { work } = place.sandbox;
  return `ANTS_HOME=${join(work, name, "home")} ANTS_VAULT=${join(work, name, "vault.json")}`;
}

describe("ants recover (I8, B26)", { timeout: 600_000 }, () => {
  let place: OwnerPlace;
  let chain: string[];
  /** The host that was thought to be lost. */
  let old: string;

  beforeAll(async () => {
    place = await OwnerPlace.found("recover");
    await place.done("ants publish one --json && ants publish --private 'between me and myself' --json");
    // The chain ends in an event that relays show to its parties only: the words are enough to read it.
    await place.done(`ants publish bye --to ${FRIEND} --json`);
    chain = await place.chain();
    old = place.copy("old");
    await place.sh("ants phrase split --phrase-file words --shares 3 --threshold 2 --out shares");
  });

  afterAll(() => place[Symbol.asyncDispose]());

  test("a genesis that copies commitment and escrow key is not found as the victim's", async () => {
    const [relay] = place.relays;
    const text = await (await fetch(`${relay!.httpUrl}/agents/${place.did}/identity`)).text();
    const victim = parseOperation(utf8(text.trim())).op;
    const fake = createIdentity({
      signSeeds: [generateSeed()],
      agree: decodeMultikey(victim.keys.agree).publicKey,
      recoveryKeys: [publicKeyFromSeed(generateSeed())],
      escrow: decodeMultikey(victim.escrow).publicKey,
      relays: victim.relays,
      timeMs: 1,
    });
    await using wire = await Wire.open(relay!.url);
    expect(await wire.publish([fake.line])).toMatchObject({ t: "ack" });
    const listed = await (await fetch(`${relay!.httpUrl}/agents?escrow=${victim.escrow}`)).json();
    expect((listed as { dids: string[] }).dids.sort()).toEqual([fake.did, place.did].sort());
  });

  test("words of nobody, no relay that answers, a home that is taken: each says so", async () => {
    const { url } = place.relays[0]!;
    const other = machine(place, "other");
    await place.done(`${other} ants keygen --relay ${url} --phrase-file words-of-another --json`);
    const nowhere = machine(place, "nowhere");
    const dead = "--relay ws://127.0.0.1:9 --timeout 1";
    expect(await place.fails(`${nowhere} ants recover ${dead} --phrase-file words --json`)).toBe("relay-unreachable");
    expect(await place.fails(`${other} ants recover --relay ${url} --phrase-file words --json`)).toBe("home-exists");
    expect(await place.fails(`ants recover --relay ${url} --phrase-file words --json`)).toBe("home-exists");
    await using empty = await startTestRelay();
    expect(await place.fails(`${nowhere} ants recover --relay ${empty.url} --phrase-file words --json`)).toBe(
      "recover-not-found",
    );
    // Two agents of one phrase, where one relay has both.
    const victim = await (await fetch(`${place.relays[0]!.httpUrl}/agents/${place.did}/identity`)).text();
    const keys = phraseKeys(parsePhrase(readFileSync(join(place.sandbox.work, "words"), "utf8")).entropy);
    const twin = createIdentity({
      signSeeds: [generateSeed()],
      agree: keys.escrow.publicKey,
      recoveryKeys: [keys.recoveryKey(0).publicKey],
      escrow: keys.escrow.publicKey,
      relays: [{ url: empty.url, stream: empty.stream }],
      timeMs: 2,
    });
    await using wire = await Wire.open(empty.url);
    expect(await wire.publish([twin.line])).toMatchObject({ t: "ack" });
    expect(await wire.publish([victim.trim()])).toMatchObject({ t: "ack" });
    const both = `${nowhere} ants recover --relay ${empty.url} --phrase-file words --json`;
    expect(await place.fails(both)).toBe("recover-several");
    expect(await place.fails(`${both} --did ${twin.did}`)).toBe("chain-missing");
    rmSync(join(place.sandbox.work, "nowhere"), { recursive: true });
    // That agent exists and has never written: there is no chain to go on with, and none is begun.
    expect(await place.fails(`${nowhere} ants recover --relay ${url} --phrase-file words-of-another --json`)).toBe(
      "chain-missing",
    );
  });

  test("one share is too few; a typo, and a share of another set, are told apart", async () => {
    const { url } = place.relays[0]!;
    const run = (files: string) =>
      place.fails(`${machine(place, "shares-1")} ants recover --relay ${url} ${files} --json`);
    const [a, b] = ["shares/share-1-of-3.txt", "shares/share-2-of-3.txt"];
    expect(await run(`--share-file ${a}`)).toBe("share-too-few");
    await place.sh("ants phrase split --phrase-file words --shares 3 --threshold 2 --out others");
    expect(await run(`--share-file ${a} --share-file others/share-2-of-3.txt`)).toBe("share-other-set");
    await place.sh(`umask 077; awk '/^ *[0-9]/ { $2 = ($2 == "zoo" ? "zone" : "zoo") } { print }' ${b} > broken`);
    expect(await run(`--share-file ${a} --share-file broken`)).toBe("share-damaged");
  });

  test("from one relay of three on an empty machine: the same agent, with a new key, that writes; the old host is refused", async () => {
    const [alive, ...dead] = place.relays;
    // All relays answer and nothing is dropped: it replaces a key all the same, and asks.
    const unasked = `${machine(place, "unasked")} ants recover --relay ${alive!.url} --phrase-file words --json`;
    const { identity } = await headAt(alive!, place.did);
    expect(await place.fails(unasked)).toBe("not-confirmed");
    expect((await headAt(alive!, place.did)).identity).toBe(identity);
    expect(existsSync(join(place.sandbox.work, "unasked", "vault.json"))).toBe(false);
    for (const relay of dead) await relay.close();
    await using fresh = await startTestRelay();
    const there = machine(place, "new");
    const words = "--share-file shares/share-3-of-3.txt --share-file shares/share-1-of-3.txt";
    const command = `${there} ants recover --relay ${alive!.url} ${words} --new-relay ${fresh.url} --timeout 3 --json`;
    expect(await place.fails(command)).toBe("not-confirmed");
    const recovered = await place.done<{ did: string; key: string; claimed: boolean; relays: { url: string }[] }>(
      `${command} --yes`,
    );
    expect(recovered).toMatchObject({ did: place.did, claimed: true });
    expect(recovered.relays.map(({ url }) => url)).toEqual([alive!.url, fresh.url]);

    expect((await place.chain(there)).slice(0, chain.length)).toEqual(chain);
    const { stdout } = await place.sh(`${there} ants log cat --open`);
    expect(stdout).toContain("between me and myself");
    await place.done(`${there} ants publish 'here again' --json`);
    const whole = await place.chain(there);
    for (const relay of [alive!, fresh]) expect((await headAt(relay, place.did)).head?.id).toBe(whole.at(-1));
    expect(await place.fails(`${there} ants recover --relay ${alive!.url} ${words} --json`)).toBe("home-exists");

    expect(await place.fails(`${old} ants publish 'still me?' --json`)).toBe("key-not-live");
    // One thing is to be done there, and nothing that would be refused.
    const { stdout: examined } = await place.sh(`${old} ants doctor --json`);
    const { findings } = JSON.parse(examined) as { findings: { check: string; fix?: string }[] };
    const replaced = expect.stringContaining("bring the vault from where that was done");
    for (const check of ["unlocking", "other instance"]) {
      expect(findings).toContainEqual(expect.objectContaining({ check, fix: replaced }));
    }
    expect(examined).not.toMatch(/next ants publish|rotate --turns|find the vault/);
    const key = readFileSync(join(place.sandbox.work, "new", "vault.json"), "utf8");
    expect(key).not.toContain(recovered.key);
    expect((await place.sh(`${there} ants vault verify --phrase-file words`)).exit).toBe(0);
  });
});
