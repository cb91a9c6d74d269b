import { concat, utf8 } from "../../../../keys/bytes.js";
import { updateIdentity } from "../../../../keys/identity/create.js";
import { IdentityLog } from "../../../../src/client/identity-log.js";
import { CLAIM_KIND } from "../../../../src/protocol/event.js";
import { CrashDisk } from "../crash-disk.js";
import { IDENTITY_FILE, type Instance } from "../instance.js";
import type { Scenario, Scene } from "./scene.js";

/** A machine is cloned while the agent runs, and both write: the first reaches `ofFirst` only, the clone `ofClone`. */
async function cloned(scene: Scene, ofFirst: string, ofClone: string): Promise<[Instance, Instance]> {
  const { wire } = scene.world;
  const first = await scene.begun();
  first.process.pause();
  const host = scene.copyOf(first.options.host);
  const clone = scene.start(host, {}, { like: first });
  for (const instance of [first, clone]) instance.wishes.push({ kind: "burst" });
  await scene.holds(clone);
  for (const relay of scene.relays) {
    if (!ofFirst.includes(relay.name)) wire.block(first.options.host.name, relay.url);
    if (!ofClone.includes(relay.name)) wire.block(host.name, relay.url);
  }
  wire.cut(() => true);
  first.process.resume();
  await scene.world.clock.sleep(4_000);
  for (const instance of [first, clone]) scene.world.kill(instance);
  wire.unblock();
  return [first, clone];
}

/** Two histories of one agent, and rival words on who it is. */
export const HISTORIES: readonly Scenario[] = [
  {
    name: "two histories, and the relay is away that would decide",
    async run(scene) {
      const [first, clone] = await cloned(scene, "A", "B");
      scene.relay("C").crash();
      await scene.ends(scene.start(first.options.host, { takeover: true, timeoutMs: 4_000 }), "no-quorum");
      await scene.ends(scene.start(clone.options.host, { takeover: true, timeoutMs: 4_000 }), "no-quorum");
      await scene.ends(scene.start(scene.emptyHome(), { takeover: true, timeoutMs: 4_000 }), "no-quorum");
      await scene.relay("C").start();
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "two histories, and a quorum has one of them",
    async run(scene) {
      const [first] = await cloned(scene, "A", "BC");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "two histories of four relays, one of which may lie",
    relays: 4,
    faults: 1,
    async run(scene) {
      const [first] = await cloned(scene, "AB", "CD");
      scene.relay("D").crash();
      await scene.ends(scene.start(first.options.host, { takeover: true, timeoutMs: 4_000 }), "no-quorum");
      await scene.relay("D").start();
      await scene.until("it ends", () => scene.world.alive.length === 0);
      const last = scene.start(first.options.host, { takeover: true, timeoutMs: 4_000 });
      await scene.until("it is decided or not", () => last.hasHeld || last.state === "ended");
    },
  },
  {
    name: "two histories, and the operation of their claim is not on this disk",
    async run(scene) {
      const [first, clone] = await cloned(scene, "A", "BC");
      const { host } = first.options;
      // The disk has both.
      const other = scene.chainAt(scene.relay("B")).slice(-3);
      scene.require(other.length > 0 && clone.hasHeld, "the clone wrote");
      const { disk } = host;
      disk.put(IDENTITY_FILE, new Uint8Array(0));
      await scene.ends(scene.start(host, { takeover: true }), "key-not-live");
      scene.world.bringVault(host);
      await scene.goesOn(host);
    },
  },
  {
    name: "a clone's events are stored before it sends them",
    async run(scene) {
      const [first, clone] = await cloned(scene, "AC", "B");
      const mirrored = scene.chainAt(scene.relay("B"));
      const last = mirrored.at(-1)!;
      const lines = mirrored.map(({ line }) => line);
      scene.require((await scene.answerTo(scene.relay("A"), lines)) === "ack", "a mirror's events are stored");
      const again = await scene.answerTo(scene.relay("A"), [last.line], last.epoch);
      scene.require(again === "superseded", `the clone is told that the chain went another way, not ${again}`);
      const late = scene.start(clone.options.host, {}, { like: clone });
      await scene.until("the clone stops", () => late.state === "ended" || !late.hasHeld, 90_000);
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "no relay has the anchor of the rotate",
    spare: 3,
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const next = scene.relays.slice(3);
      const owner = scene.world.rotate(next, 0, scene.world.highestChain().length);
      const home = scene.world.addHost({ seed: scene.world.seed, madeGenesis: false });
      await scene.ends(scene.start(home, { timeoutMs: 3_000 }), "chain-missing");
      const last = await scene.goesOn(owner);
      scene.world.kill(last);
      await scene.holds(scene.start(home, { takeover: true }));
    },
  },
  {
    name: "a rotate without an anchor, and the chain begins anew",
    async run(scene) {
      const first = await scene.begun();
      await scene.commits(3);
      const owner = scene.world.rotate(scene.relays, 0, 0);
      await scene.ends(first, "key-not-live");
      const last = await scene.goesOn(owner);
      scene.world.kill(last);
      const again = scene.world.rotate(scene.relays, 0, 2);
      await scene.goesOn(again);
    },
  },
  {
    name: "rival rotates: who reads both at once acts on neither",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const parent = scene.world.knownIdentity().newest!;
      const owner = scene.world.rotate(scene.relays, 0, scene.world.highestChain().length);
      const rival = scene.world.rivalRotate(parent);
      const lines = [
        ...scene.world
          .knownIdentity()
          .operations()
          .map(({ line }) => line),
        rival.line,
      ];
      const disk = new CrashDisk(scene.world.clock, scene.world.random, first.options.host.disk.files);
      disk.put(IDENTITY_FILE, Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
      const home = scene.world.addHost({ disk, seed: scene.world.seed, madeGenesis: true });
      const readIdentity = (did: string, read: readonly Uint8Array[]) => new IdentityLog(did, read);
      await scene.ends(scene.start(home, { takeover: true }, { readIdentity }), "identity-conflicted");
      for (const relay of scene.relays) await scene.answerTo(relay, [rival.line]);
      // Who saw one of them first goes on with it.
      await scene.goesOn(owner);
    },
  },
  {
    name: "updates clash, and a claim under one of them reaches its new relays only",
    spare: 2,
    async run(scene) {
      const { world } = scene;
      const first = await scene.begun();
      world.kill(first);
      const update = (names: string) =>
        updateIdentity({
          parent: world.genesis,
          changes: { relays: [...names].map((name) => scene.relay(name).address) },
          signSeed: world.seed,
          timeMs: world.clock.nowMs(),
        }).parsed;
      const [near, far] = [update("ABC"), update("CDE")];
      const chain = scene.chainAt(scene.relay("A"));
      for (const relay of scene.relays) {
        const isOld = "ABC".includes(relay.name);
        const lines = isOld ? [near.line, far.line] : [world.genesis.line, far.line, ...chain.map(({ line }) => line)];
        scene.require((await scene.answerTo(relay, lines)) === "ack", `${relay.name} stores what it is sent`);
      }
      const homeOf = (operation: typeof near) => {
        const host = scene.copyOf(first.options.host);
        const lines = [world.genesis.line, operation.line].flatMap((line) => [line, utf8("\n")]);
        host.disk.put(IDENTITY_FILE, concat(...lines));
        return host;
      };
      const [home, other] = [homeOf(near), homeOf(far)];
      const last = chain.at(-1)!;
      const epoch = last.epoch + 1;
      for (const relay of scene.relays) {
        scene.require((await scene.raise(relay, epoch)) === "promised", `${relay.name} promises epoch ${epoch}`);
      }
      const claim = scene.forged({ epoch, after: last, kind: CLAIM_KIND, identity: far.hash });
      for (const name of "DE") await scene.answerTo(scene.relay(name), [claim.line], epoch);
      scene.putOnDisk(other, claim);

      const next = scene.start(home, { takeover: true });
      await scene.holds(next);
      await scene.commits(2);
      world.kill(next);
      scene.relay("C").crash();
      const displacing = scene.start(other, { takeover: true });
      await scene.holds(displacing);
      await scene.commits(2);
      await scene.goesOn(home);
    },
  },
];
