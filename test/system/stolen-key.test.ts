import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FollowItem, follow } from "ants-agent";
import { startTestRelay } from "ants-agent/testing";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import type { JsonObject } from "../../keys/canonical.js";
import { generateSeed } from "../../keys/ed25519/index.js";
import { updateIdentity } from "../../keys/identity/create.js";
import { type ParsedOperation, parseOperation } from "../../keys/identity/operation.js";
import { systemRandom } from "../../keys/ports.js";
import { createBatch } from "../../src/protocol/batch.js";
import { sealEscrow } from "../../src/protocol/escrow.js";
import type { ChainHead } from "../../src/protocol/event.js";
import { MAX_EPOCH_LEAP } from "../../src/protocol/limits.js";
import { createPromise } from "../../src/protocol/promise.js";
import { Wire } from "../relay/server/wire.js";
import { headAt, OwnerPlace } from "../support/owner-place.js";

const timeMs = 1_790_000_000_000;
const THIEF = "7".repeat(16);

/** Everything that a hot key can do, against the relays themselves: what no client of ours would do. */
class Thief {
  readonly #did: string;
  readonly #seed: Uint8Array;
  head: ChainHead;
  operation: ParsedOperation;

  constructor(did: string, seed: Uint8Array, head: ChainHead, operation: ParsedOperation) {
    this.#did = did;
    this.#seed = seed;
    this.head = head;
    this.operation = operation;
  }

  /** Updates that name other relays, up to `count`; the lines that a relay takes. */
  updates(count: number, relays: { url: string; stream: string }[]): string[] {
    return Array.from({ length: count }, (_, i) => {
      const changes = { relays, services: [{ id: `s${i}`, type: "Loot", endpoint: "https://thief.example/" }] };
      const made = updateIdentity({ parent: this.operation, changes, signSeed: this.#seed, timeMs });
      this.operation = made.parsed;
      return made.line;
    });
  }

  promise(stream: string, epoch: number): string {
    const [did, seed] = [this.#did as `did:ants:${string}`, this.#seed];
    return createPromise({ did, instance: THIEF, seed, epoch, stream, timeMs, takeover: true });
  }

  write(epoch: number, drafts: { kind: string; body: JsonObject }[]): string[] {
    const did = this.#did as `did:ants:${string}`;
    const events = drafts.map((draft) => ({ ...draft, timeMs }));
    const batch = createBatch({ did, seed: this.#seed, epoch, after: this.head, drafts: events });
    const { event, id } = batch.at(-1)!;
    this.head = { epoch, seq: event.seq, id };
    return batch.map(({ line }) => line);
  }

  claim(epoch: number): string[] {
    // Anybody can seal to the escrow key: keys that a recovery must not take for the owner's.
    const era = { stateKey: generateSeed(), agreeSecret: generateSeed() };
    const escrow = sealEscrow(this.#did as `did:ants:${string}`, [era], this.operation.op.escrow, systemRandom);
    const body = { instance: THIEF, identity: this.operation.hash, label: "thief", escrow };
    return this.write(epoch, [{ kind: "ants.claim", body }]);
  }
}

describe("a key that was stolen (I8)", { timeout: 600_000 }, () => {
  test("its owner rotates from the words; every relay and every reader comes back to the owner", async () => {
    await using place = await OwnerPlace.found("stolen-key");
    await using loot = await startTestRelay();
    const { did, relays } = place;
    await place.done("printf 'one\\ntwo\\nthree\\n' | ants publish - --lines --json");
    await place.done("ants publish --private 'for me alone' --json");
    const good = await place.chain();
    const last = await headAt(relays[0]!, did);
    const genesis = parseOperation(
      utf8((await (await fetch(`${relays[0]!.httpUrl}/agents/${did}/identity`)).text()).trim()),
    );

    const items: FollowItem[] = [];
    const abort = new AbortController();
    const reading = follow({ relays: relays.map(({ url }) => url), signal: abort.signal });
    const read = (async () => {
      for await (const item of reading) items.push(item);
    })().catch(() => undefined);

    // The thief has the hot key: the pen in the next epoch and then in the highest there is, 100 events, other relays.
    const thief = new Thief(did, place.vault().signSeed, last.head!, genesis);
    const epochs = [last.head!.epoch + 1, last.head!.epoch + MAX_EPOCH_LEAP];
    const claims = epochs.map((epoch) => ({ epoch, claim: thief.claim(epoch) }));
    const notes = thief.write(
      epochs[1]!,
      Array.from({ length: 100 }, (_, i) => ({ kind: "note", body: { text: `loot ${i}` } })),
    );
    const updates = thief.updates(1_000, [{ url: loot.url, stream: loot.stream }]);
    for (const relay of [...relays, loot]) {
      await using wire = await Wire.open(relay.url);
      if (relay === loot) {
        await wire.publish([genesis.line]);
        await wire.publish(await publicChain(relays[0]!.httpUrl, did), last.head!.epoch);
      }
      for (const { epoch, claim } of claims) {
        const { message } = await wire.ask({ t: "promise" }, [thief.promise(relay.stream, epoch)]);
        expect(message.t, JSON.stringify(message)).toBe("promised");
        expect((await wire.publish(claim, epoch)).t).toBe("ack");
      }
      expect((await wire.publish(notes, epochs[1]!)).t).toBe("ack");
      // One of the owner's relays saw only a part of what the thief did to the identity.
      const seen = relay === relays[1] ? updates.slice(0, 300) : updates;
      for (let i = 0; i < seen.length; i += 64) expect((await wire.publish(seen.slice(i, i + 64))).t).toBe("ack");
    }

    place.write(place.open().withSlot({ type: "key-file", keyFile: generateSeed() }));
    // The relays tell the owner of the thief's two turns.
    const turns = await place.done<{ turns: object[] }>("ants rotate --turns --json");
    expect(turns.turns).toHaveLength(4);
    // An update that waited for the word of a relay which is gone for good: it must not wait for ever.
    const waiting = join(place.sandbox.work, "ants/.ants/identity.proposed");
    const signSeed = place.vault().signSeed;
    const changes = { handles: ["scout@127.0.0.1:9"] };
    writeFileSync(waiting, updateIdentity({ parent: genesis, changes, signSeed, timeMs }).line);
    const rotated = await place.done<{ confirmed: string[]; relays: { url: string }[]; claimed: boolean }>(
      `ants rotate --phrase-file words --anchor ${good.at(-1)} --yes --json --timeout 20 2> rotate.err`,
    );
    expect(rotated.claimed).toBe(true);
    expect(existsSync(waiting)).toBe(false);
    expect(place.read("rotate.err")).toMatch(/warning: the vault opens with a key file, too: not any more/);
    expect(place.open().slotTypes).toEqual(["passphrase", "phrase"]);
    expect([...rotated.confirmed].sort()).toEqual([...relays, loot].map(({ url }) => url).sort());
    expect(rotated.relays.map(({ url }) => url)).toEqual(relays.map(({ url }) => url));
    await place.done("ants publish back --json");

    const chain = await place.chain();
    expect(chain.slice(0, good.length)).toEqual(good);
    for (const relay of relays) expect((await headAt(relay, did)).head?.id).toBe(chain.at(-1));

    // Refused everywhere, whatever it tries: also at the relay that the thief had moved the agent to.
    for (const relay of [...relays, loot]) {
      await using wire = await Wire.open(relay.url);
      const more = thief.write(epochs[1]!, [{ kind: "note", body: { text: "more" } }]);
      expect(await wire.publish(more, epochs[1]!)).toMatchObject({ t: "refused", code: "key-not-live" });
      const promise = thief.promise(relay.stream, epochs[1]! + 1);
      expect((await wire.ask({ t: "promise" }, [promise])).message).toMatchObject({ code: "key-not-live" });
    }

    // A reader that was there all along was told which events are void, and one that comes later is as well.
    const owners = new Set(chain);
    await expect.poll(() => given(items).has(chain.at(-1)!), { timeout: 30_000 }).toBe(true);
    abort.abort();
    await read;
    const dropped = new Set(items.flatMap((item) => (item.type === "superseded" ? item.ids : [])));
    for (const id of given(items)) expect(owners.has(id) !== dropped.has(id), id).toBe(true);
    expect(dropped.size).toBe(102);

    const late: FollowItem[] = [];
    const everywhere = [...relays, loot].map(({ url }) => url);
    for await (const item of follow({ relays: everywhere, filter: { dids: [did] }, live: false })) late.push(item);
    const standings = new Map(
      late.flatMap((item) => (item.type === "event" ? [[item.event.id, item.standing] as const] : [])),
    );
    for (const id of chain) expect(standings.get(id), id).toMatch(/^(live|retired)$/);
    for (const [id, standing] of standings) if (!owners.has(id)) expect(standing, id).toBe("void");

    // The phrase still opens what was private before: the thief's claims hold keys, too, and none of the owner's is lost.
    const { work } = place.sandbox;
    const there = `ANTS_HOME=${join(work, "new", "home")} ANTS_VAULT=${join(work, "new", "vault.json")}`;
    await place.done(`${there} ants recover --relay ${relays[0]!.url} --phrase-file words --yes --json`);
    expect((await place.sh(`${there} ants log cat --open`)).stdout).toContain("for me alone");

    // On second thought an earlier event was the last good one: what lies between is void as well, everywhere.
    await place.done(`${there} ants rotate --phrase-file words --anchor ${good[1]} --yes --json --timeout 20`);
    await place.done(`${there} ants publish 'from there' --durability all --json`);
    const shorter = await place.chain(there);
    expect(shorter.slice(0, 2)).toEqual(good.slice(0, 2));
    expect(shorter).toHaveLength(5);
    for (const relay of relays) expect((await headAt(relay, did)).head?.id).toBe(shorter.at(-1));
  });
});

function given(items: readonly FollowItem[]): Set<string> {
  return new Set(items.flatMap((item) => (item.type === "event" ? [item.event.id] : [])));
}

async function publicChain(httpUrl: string, did: string): Promise<string[]> {
  const text = await (await fetch(`${httpUrl}/agents/${did}/entries`)).text();
  return text.trim().split("\n").slice(1);
}
