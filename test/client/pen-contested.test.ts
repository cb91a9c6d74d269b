import { describe, expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { updateIdentity } from "../../keys/identity/create.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { acquirePen } from "../../src/client/acquire-pen.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { createBatch, type SignedEvent } from "../../src/protocol/batch.js";
import { CLAIM_KIND, parseEvent } from "../../src/protocol/event.js";
import { MAX_BRANCHES_TOLD } from "../../src/protocol/limits.js";
import type { RelayMessage } from "../../src/protocol/messages.js";
import { createPromise } from "../../src/protocol/promise.js";
import { World } from "../simulation/world.js";

/** Five relays a to e, of which the genesis names a, b and c. */
function fiveRelays() {
  const world = new World();
  world.addRelay();
  world.addRelay();
  return world;
}

const relayOf = (world: World, name: string) => world.acceptors[name.charCodeAt(0) - 97]!;

function update(world: World, names: string, parent = world.genesis): ParsedOperation {
  const relays = [...names].map((name) => relayOf(world, name).address);
  return updateIdentity({ parent, changes: { relays }, signSeed: world.signSeed, timeMs: 0 }).parsed;
}

function claim(world: World, epoch: number, after: SignedEvent | undefined, operation: ParsedOperation): SignedEvent {
  const body = { instance: "0123456789abcdef", label: "before", identity: operation.hash };
  const drafts = [{ kind: CLAIM_KIND, body, timeMs: 0 }];
  const { random, did, signSeed: seed } = world;
  if (after === undefined) return createBatch({ did, seed, epoch, drafts, random })[0]!;
  const { seq, id, epoch: before } = after.event;
  return createBatch({ did, seed, epoch, drafts, random, after: { epoch: before, seq, id } })[0]!;
}

function put(world: World, names: string, operations: readonly ParsedOperation[], events: readonly SignedEvent[]) {
  const lines = [world.genesis, ...operations].map(({ line }) => line);
  for (const name of names) relayOf(world, name).mirror([...lines, ...events.map(({ line }) => utf8(line))]);
}

/** The last promise that each relay gave, by its name. */
function promisesOf(world: World) {
  const promises = new Map<string, Extract<RelayMessage, { t: "promised" }>>();
  for (const acceptor of world.acceptors) {
    acceptor.onAnswer = (message) => {
      if (message.t === "promised") promises.set(acceptor.url.charAt("ws://".length), message);
      return message;
    };
  }
  return promises;
}

describe("while updates of the identity clash", () => {
  it("a start that knows one branch learns of the other from whoever promises, and asks its relays as well", async () => {
    const world = fiveRelays();
    const [near, far] = [update(world, "bca"), update(world, "cde")];
    put(world, "abc", [near, far], [claim(world, 1, undefined, world.genesis)]);
    const identity = new IdentityLog(world.did, [world.genesis, near]);
    const promises = promisesOf(world);
    const { context } = await world.start({ identity });
    const pen = await world.clock.run(acquirePen(context));
    expect([...promises.keys()].sort()).toEqual(["a", "b", "c", "d", "e"]);
    expect(relayOf(world, "d").head(world.did)?.id).toBe(pen.claim.id);
    expect(identity.newest?.hash).toBe(near.hash);
    await world.clock.run(pen.release());
  });

  it("a start on a claim that nobody committed still meets what was committed on the other branch", async () => {
    const world = fiveRelays();
    const [near, far] = [update(world, "abc"), update(world, "cde")];
    const first = claim(world, 1, undefined, world.genesis);
    put(world, "abc", [near, far], [first]);
    put(world, "de", [far], [first]);
    // Of epoch 2 all promised, and then only d and e stored the claim.
    const second = claim(world, 2, first, far);
    const { did, signSeed: seed } = world;
    for (const acceptor of world.acceptors) {
      const asked = { did, seed, epoch: 2, instance: "0123456789abcdef", timeMs: 0, takeover: true };
      acceptor.mirror([utf8(createPromise({ ...asked, stream: acceptor.stream }))]);
    }
    put(world, "de", [], [second]);

    const other = await world.start({ identity: new IdentityLog(did, [world.genesis, near]) });
    const held = await world.clock.run(acquirePen(other.context, { takeover: true }));
    await world.clock.run(held.release());
    await other.kill();

    // The home whose claim that was goes on: its own branch is the other one, and c does not answer.
    world.network.cut(relayOf(world, "c").url);
    world.network.line(relayOf(world, "c").url).refuses = true;
    const identity = IdentityLog.learnt(did, [world.genesis, far, near]);
    const { context } = await world.start({ identity });
    await context.chain.adopt([first, second].map(({ line }) => parseEvent(utf8(line))));
    const pen = await world.clock.run(acquirePen(context, { takeover: true }));
    expect(context.chain.tree.find(held.claim.id, held.claim.event.seq)).toBeDefined();
    expect(pen.epoch).toBeGreaterThan(held.epoch);
    expect(context.chain.head?.seq).toBe(pen.claim.event.seq);
    await world.clock.run(pen.release());
  });

  it("a relay that promised before more was learnt is told of it, and asked whether its promise stands", async () => {
    const world = fiveRelays();
    const moved = update(world, "cde");
    put(world, "ab", [], []);
    put(world, "c", [moved], []);
    const line = world.network.line(relayOf(world, "c").url);
    line.refuses = true;
    const promises = promisesOf(world);
    for (const name of "de") world.network.line(relayOf(world, name).url).refuses = true;
    const identity = new IdentityLog(world.did, [world.genesis]);
    const { context } = await world.start({ identity });
    relayOf(world, "b").onAnswer = (message) =>
      message.t === "promised" && !identity.has(moved.hash) ? undefined : message;
    const asked = acquirePen(context);
    await world.clock.pass(100);
    expect(promises.get("a")?.identity).toBe(world.genesis.hash);
    for (const name of "cde") world.network.line(relayOf(world, name).url).refuses = false;
    const pen = await world.clock.run(asked);
    expect(promises.get("a")?.identity).toBe(moved.hash);
    expect(promises.get("a")?.epoch).toBe(pen.epoch);
    await world.clock.run(pen.release());
  });

  it("a relay that keeps quiet about a branch that it was sent doesn't count", async () => {
    const world = fiveRelays();
    const branches = [update(world, "bca"), update(world, "cab")];
    const { context } = await world.start({ identity: IdentityLog.learnt(world.did, [world.genesis, ...branches]) });
    const silent = (message: RelayMessage): RelayMessage => {
      if (message.t !== "promised") return message;
      const { branches: _, ...rest } = message;
      return rest;
    };
    relayOf(world, "a").onAnswer = silent;
    const pen = await world.clock.run(acquirePen(context));
    await world.clock.run(pen.release());
    relayOf(world, "b").onAnswer = silent;
    const again = await world.start({ identity: context.identity });
    const error = await world.clock.run(
      acquirePen(again.context, { takeover: true, timeoutMs: 3_000 }).catch((error: unknown) => error),
    );
    expect(error).toMatchObject({ code: "no-quorum", message: expect.stringContaining("lacks what it was sent") });
  });

  it("a relay that names a branch, and never sends it, doesn't count", async () => {
    const world = fiveRelays();
    relayOf(world, "a").onAnswer = (message) =>
      message.t === "promised" ? { ...message, branches: ["ab".repeat(32)] } : message;
    const { context } = await world.start();
    const pen = await world.clock.run(acquirePen(context));
    expect(pen.lanes.map(({ relay }) => relay.url.charAt("ws://".length)).sort()).toEqual(["a", "b", "c"]);
    await world.clock.run(pen.release());
    relayOf(world, "b").onAnswer = relayOf(world, "a").onAnswer;
    const again = await world.start();
    const error = await world.clock.run(
      acquirePen(again.context, { takeover: true, timeoutMs: 3_000 }).catch((error: unknown) => error),
    );
    expect(error).toMatchObject({ code: "no-quorum", message: expect.stringContaining("does not send") });
  });

  it("more branches than a relay takes keep a claim waiting, and the message says for what", async () => {
    const world = fiveRelays();
    const pinned = update(world, "abc");
    const ends = Array.from({ length: MAX_BRANCHES_TOLD }, (_, i) => {
      const changes = { handles: [`scout@n${i}.example`] };
      return updateIdentity({ parent: pinned, changes, signSeed: world.signSeed, timeMs: i }).parsed;
    });
    const identity = new IdentityLog(world.did, [world.genesis, pinned, ...ends], pinned.hash);
    expect(identity.newest?.hash).toBe(pinned.hash);
    for (const name of "abc") put(world, name, [pinned, ...ends.slice(0, 16)], []);
    const { context } = await world.start({ identity });
    const error = await world.clock.run(acquirePen(context, { timeoutMs: 3_000 }).catch((error: unknown) => error));
    expect(error).toMatchObject({ code: "no-quorum", message: expect.stringContaining("branches of updates") });
  });
});
