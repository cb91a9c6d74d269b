import { hex } from "../../../../keys/bytes.js";
import { CLAIM_KIND } from "../../../../src/protocol/event.js";
import type { Instance } from "../instance.js";
import { refusing } from "./lies.js";
import type { Scenario, Scene } from "./scene.js";

/** Asks the holder to hand over. Resolves with the hand-over, for the instance that is to come. */
async function handOver(scene: Scene, holder: Instance): Promise<{ event: string; instance: string }> {
  const instance = hex(scene.world.random.bytes(8));
  let event = "";
  const next = (id: string) => {
    event = id;
  };
  holder.wishes.push({ kind: "hand-over", instance, next });
  await scene.until("it hands over", () => event !== "" && holder.state === "ended");
  return { event, instance };
}

/** Turns: how they are handed over, and how they end. */
export const HOLDING: readonly Scenario[] = [
  {
    name: "a hand-over, and again, and by a stranger",
    async run(scene) {
      const first = await scene.begun();
      const handover = await handOver(scene, first);
      const next = scene.start(scene.emptyHome(), { handover }, { id: handover.instance });
      await scene.holds(next);
      await scene.commits(2);
      await scene.ends(scene.start(scene.emptyHome(), { handover }, { id: handover.instance }), "handover-used");
      await scene.ends(scene.start(scene.emptyHome(), { handover }), "handover-other-instance");
      scene.require(next.state === "holding", "who was handed the pen is not disturbed");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "a hand-over beside a claim that only this disk has",
    async run(scene) {
      const first = await scene.begun();
      const handover = await handOver(scene, first);
      const last = scene.chainAt(scene.relay("A")).at(-1)!;
      const home = scene.copyOf(first.options.host);
      scene.putOnDisk(home, scene.forged({ epoch: last.epoch + 1, after: last, kind: CLAIM_KIND }));
      await scene.ends(scene.start(home, { handover }, { id: handover.instance }), "handover-used");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "a hand-over whose first claim was not answered",
    async run(scene) {
      const first = await scene.begun();
      const handover = await handOver(scene, first);
      for (const relay of scene.relays) {
        relay.lie = (answer, asked) => (asked.epoch === undefined && asked.count > 0 ? undefined : answer);
      }
      const next = scene.start(scene.emptyHome(), { handover, timeoutMs: 60_000 }, { id: handover.instance });
      const hasIt = () => scene.relays.every((relay) => (relay.head(scene.world.did)?.epoch ?? 0) > 1);
      await scene.until("the claim is on the relays", hasIt);
      for (const relay of scene.relays) relay.lie = undefined;
      scene.world.wire.cut(() => true);
      await scene.holds(next, 90_000);
      await scene.commits(2);
    },
  },
  {
    name: "a hand-over, and its claim was silently stored",
    async run(scene) {
      const first = await scene.begun();
      const handover = await handOver(scene, first);
      for (const relay of scene.relays) {
        relay.lie = (answer, asked) => (asked.epoch === undefined && asked.count > 0 ? undefined : answer);
      }
      const next = scene.start(scene.emptyHome(), { handover, timeoutMs: 60_000 }, { id: handover.instance });
      const { clock } = scene.world;
      clock.at(12_000, () => {
        for (const relay of scene.relays) relay.lie = undefined;
      });
      await scene.holds(next, 90_000);
      await scene.commits(2);
    },
  },
  {
    name: "the disk is full, and the holder stops",
    async run(scene) {
      const first = await scene.begun();
      const { disk } = first.options.host;
      disk.failing = "disk-full";
      await scene.ends(first, "storage");
      await scene.ends(scene.start(first.options.host), "disk-full");
      disk.failing = undefined;
      const next = scene.start(first.options.host, { takeover: true });
      await scene.until("it claims", () => next.state === "claiming");
      disk.failing = "disk-full";
      await scene.ends(next, "chain-write-failed");
      disk.failing = undefined;
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "the identity grew, and the holder's chain is another",
    async run(scene) {
      const first = await scene.begun();
      const { host } = first.options;
      scene.world.kill(first);
      const second = scene.start(host, { takeover: true }, { maxThinkMs: 4_000 });
      second.wishes.push({ kind: "burst" });
      await scene.holds(second);
      const before = scene.chainAt(scene.relay("A")).filter(({ epoch }) => epoch === 1).length;
      for (const { url } of scene.relays) scene.world.wire.block(host.name, url);
      const owner = scene.world.rotate(scene.relays, 0, before - 1);
      const { identity, chain } = second.context;
      for (const operation of scene.world.knownIdentity().operations()) identity.add(operation);
      chain.keysChanged();
      await scene.ends(second, "superseded", 20_000);
      await scene.goesOn(owner);
    },
  },
  {
    name: "the key is replaced under the holder",
    async run(scene) {
      const first = await scene.begun();
      const owner = scene.world.rotate(scene.relays, 0, scene.world.highestChain().length);
      await scene.ends(first, "key-not-live");
      await scene.ends(scene.start(first.options.host), "key-not-live");
      await scene.goesOn(owner);
    },
  },
  {
    name: "the key is replaced between the promise and the claim",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const { world } = scene;
      for (const relay of scene.relays) {
        relay.lie = (answer, asked) => (asked.epoch === undefined && asked.count > 0 ? undefined : answer);
      }
      const next = scene.start(first.options.host, { takeover: true });
      await scene.until("it signs its claim", () => next.turn !== undefined);
      for (const { url } of scene.relays) world.wire.block(first.options.host.name, url);
      const owner = world.rotate(scene.relays, 0, world.highestChain().length);
      await world.clock.sleep(500);
      for (const relay of scene.relays) relay.lie = undefined;
      world.wire.unblock();
      world.wire.cut(() => true);
      await scene.ends(next, "pen-lost");
      await scene.goesOn(owner);
    },
  },
  {
    name: "the agent is deactivated",
    async run(scene) {
      const first = await scene.begun();
      scene.world.deactivate();
      await scene.ends(first, "key-not-live");
      await scene.ends(scene.start(scene.emptyHome(), { takeover: true }), "key-not-live");
    },
  },
  {
    name: "answers come while the disk is slow, and the turn is over",
    async run(scene) {
      const first = await scene.begun();
      const { host } = first.options;
      for (let i = 0; i < 4; i++) first.wishes.push({ kind: "burst" });
      await scene.until("a long tail", () => first.wishes.length === 0);
      scene.world.kill(first);
      scene.world.wire.unblock();
      for (const readMs of [15, 45, 120]) {
        host.disk.readMs = readMs;
        const slow = scene.start(host, { takeover: true }, { maxThinkMs: 50 });
        await scene.until("it holds or ended", () => slow.hasHeld || slow.state === "ended");
        for (let i = 0; i < 3; i++) slow.wishes.push({ kind: "burst" });
        await scene.world.clock.sleep(300);
        const fast = scene.start(scene.emptyHome(), { takeover: true });
        await scene.until("the next one holds", () => fast.hasHeld || fast.state === "ended");
        await scene.until("the slow one ends", () => slow.state === "ended");
        scene.world.kill(fast);
        host.disk.readMs = 0;
      }
      await scene.goesOn(host);
    },
  },
  {
    name: "a stray promise at one relay, and the others confirm",
    async run(scene) {
      const first = await scene.begun();
      const { epoch } = scene.relay("A").head(scene.world.did)!;
      await scene.raise(scene.relay("A"), epoch + 5);
      await scene.world.clock.sleep(8_000);
      scene.require(first.state === "holding", "the holder goes on");
      await scene.raise(scene.relay("B"), epoch + 6);
      await scene.ends(first, "fenced");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "promises by the way, while it claims",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const home = first.options.host;
      for (const more of [1, 3, 9]) {
        const next = scene.start(home, { takeover: true, timeoutMs: 60_000 });
        const { turn } = next;
        await scene.until("it signs its claim", () => next.turn !== turn);
        const head = next.context.chain.head!;
        await Promise.all(scene.relays.map((relay) => scene.raise(relay, head.epoch + more)));
        await scene.holds(next, 90_000);
        scene.world.kill(next);
      }
      await scene.goesOn(home);
    },
  },
  {
    name: "held by an earlier run of the same home",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const next = scene.start(first.options.host);
      await scene.holds(next);
      scene.world.kill(next);
      // Said twice, it counts: the earlier run is named once.
      for (const relay of scene.relays) relay.lie = refusing("held", { details: { holder: first.id, seenMs: 10 } });
      await scene.ends(scene.start(first.options.host), "held");
      await scene.goesOn(first.options.host);
    },
  },
];
