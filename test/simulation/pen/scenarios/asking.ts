import { AntsError } from "../../../../keys/errors.js";
import { IDENTITY_FILE } from "../instance.js";
import type { Scenario } from "./scene.js";

/** Starts, and what stands in their way. */
export const ASKING: readonly Scenario[] = [
  {
    name: "refused, waiting, and taking over",
    async run(scene) {
      const first = await scene.begun();
      const refused = scene.start(scene.emptyHome());
      await scene.ends(refused, "held");
      const waiting = scene.start(scene.emptyHome(), { wait: true });
      await scene.until("it waits", () => scene.world.checker.counts.has("waits"));
      await scene.commits(2);
      scene.world.kill(first);
      await scene.holds(waiting, 120_000);
      const taking = scene.start(first.options.host, { takeover: true });
      await scene.holds(taking);
      await scene.ends(waiting, "fenced");
      let code = "";
      try {
        waiting.pen!.check();
      } catch (error) {
        code = (error as AntsError).code;
      }
      scene.require(code === "pen-lost", "whoever lost the pen has no effects any more");
      scene.world.kill(taking);
      await scene.holds(scene.start(first.options.host));
    },
  },
  {
    name: "two claim at once",
    async run(scene) {
      const first = await scene.begun();
      const home = scene.copyOf(first.options.host);
      scene.world.kill(first);
      const one = scene.start(first.options.host, { takeover: true, timeoutMs: 60_000 });
      const other = scene.start(home, { takeover: true, timeoutMs: 60_000 });
      await scene.until("one of them holds", () => one.hasHeld || other.hasHeld);
      await scene.goesOn(home);
    },
  },
  {
    name: "a home that did not make the genesis finds no chain",
    async run(scene) {
      await scene.ends(scene.start(scene.emptyHome()), "chain-missing");
      await scene.goesOn(scene.world.addHost({ madeGenesis: true }));
    },
  },
  {
    name: "no relay is there, and comes back",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const relay of scene.relays) relay.crash();
      await scene.ends(scene.start(first.options.host, { timeoutMs: 3_000 }), "no-quorum");
      const waiting = scene.start(first.options.host, { wait: true });
      await scene.until("it waits", () => scene.world.checker.counts.has("waits"));
      for (const relay of scene.relays) await relay.start();
      await scene.holds(waiting, 120_000);
    },
  },
  {
    name: "interrupted at any moment",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const { clock } = scene.world;
      for (const ms of [0, 5, 15, 30, 45, 60, 75, 90, 110, 130, 160]) {
        const next = scene.start(first.options.host, { takeover: true });
        clock.at(ms, () => next.interrupt.abort(new AntsError("interrupted", "somebody pressed ^C")));
        await scene.until("it ends", () => next.state === "ended");
      }
      const refused = scene.start(scene.emptyHome());
      const holder = await scene.goesOn(first.options.host);
      await scene.until("it ended", () => refused.process.isDead);
      for (const ms of [40, 70, 100, 2_000]) {
        const next = scene.start(scene.emptyHome(), { wait: true });
        clock.at(ms, () => next.interrupt.abort(new AntsError("interrupted", "somebody pressed ^C")));
        await scene.until("it ends", () => next.state === "ended");
      }
      scene.require(holder.state === "holding", "the holder is not disturbed");
    },
  },
  {
    name: "connections are closed for good while it asks",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const ms of [5, 20, 40, 60]) {
        const next = scene.start(first.options.host, { takeover: true, timeoutMs: 3_000 });
        scene.world.clock.at(ms, () => void next.context?.relays.close());
        await scene.until("it ends", () => next.state === "ended");
      }
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "the reading keys are sealed into the claim",
    async run(scene) {
      const readingKeys = [{ stateKey: new Uint8Array(32).fill(1), agreeSecret: new Uint8Array(32).fill(2) }];
      const first = await scene.begun({ context: { readingKeys } });
      const claim = JSON.parse(Buffer.from(scene.chainAt(scene.relay("A"))[0]!.line).toString());
      scene.require(claim.body.escrow !== undefined, "the claim has an escrow");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "epochs are raised out of reach",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (let step = 1; step <= 2; step++) {
        for (const relay of scene.relays) {
          const answer = await scene.raise(relay, 1 + step * 2 ** 20);
          scene.require(answer === "promised", `a promise of ${step} leaps, not ${answer}`);
        }
      }
      await scene.ends(scene.start(first.options.host, { takeover: true }), "epoch-order");
      const host = scene.world.rotate(scene.relays, 0, scene.world.highestChain().length);
      await scene.goesOn(host);
    },
  },
  {
    name: "epochs are raised out of reach before the chain begins",
    async run(scene) {
      const { genesis } = scene.world;
      for (const relay of scene.relays) await scene.answerTo(relay, [genesis.line]);
      for (let step = 1; step <= 2; step++) {
        await Promise.all(scene.relays.map((relay) => scene.raise(relay, step * 2 ** 20)));
      }
      const home = scene.world.addHost({ madeGenesis: true });
      await scene.ends(scene.start(home, { takeover: true }), "epoch-order");
      await scene.goesOn(scene.world.rotate(scene.relays, 0, 0));
    },
  },
  {
    name: "the claim's operation is gone from this disk, and the relays are new",
    async run(scene) {
      const first = await scene.begun();
      const relays = scene.relays.map(({ address }) => address);
      const { host } = first.options;
      const old = host.disk.files.get(IDENTITY_FILE)!;
      first.wishes.push({ kind: "relays", relays: [...relays].reverse(), faults: 0 });
      const { counts } = scene.world.checker;
      await scene.until("the set changed", () => counts.has("relay changes") && first.state === "holding");
      await scene.commits(2);
      scene.world.kill(first);
      const whole = host.disk.files.get(IDENTITY_FILE)!;
      host.disk.put(IDENTITY_FILE, old);
      // With the relays it finds the operation again.
      const next = scene.start(host, { takeover: true });
      await scene.holds(next);
      scene.world.kill(next);
      host.disk.put(IDENTITY_FILE, old);
      for (const relay of scene.relays) await relay.rebuild();
      await scene.ends(scene.start(host), "identity-operation-unknown");
      host.disk.put(IDENTITY_FILE, whole);
      await scene.ends(scene.start(host, { timeoutMs: 2_000 }), "no-quorum");
    },
  },
];
