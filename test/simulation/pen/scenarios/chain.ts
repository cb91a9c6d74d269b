import { CLAIM_KIND } from "../../../../src/protocol/event.js";
import { MAX_EPOCH_LEAP } from "../../../../src/protocol/limits.js";
import type { Scenario } from "./scene.js";

/** The rows of the chain rule that nobody meets who keeps to the rules: somebody has the key, and tries them. */
export const CHAIN: readonly Scenario[] = [
  {
    name: "somebody with the key tries every row of the chain rule",
    async run(scene) {
      const { world } = scene;
      const first = await scene.begun();
      world.kill(first);
      world.checker.steal();
      const relay = scene.relay("A");
      const chain = scene.chainAt(relay);
      const head = chain.at(-1)!;
      const { epoch } = head;
      const nowhere = { ...head, id: "0".repeat(64) };
      const refusedWith = async (code: string, line: string, stated?: number) => {
        const answer = await scene.answerTo(relay, [line], stated);
        scene.require(answer === code, `${code}, not ${answer}`);
      };
      await refusedWith("gap", scene.forged({ epoch, after: nowhere }).line, epoch);
      await refusedWith("epoch-order", scene.forged({ epoch: epoch + 1, after: head, kind: CLAIM_KIND }).line, epoch);
      await refusedWith("epoch-order", scene.forged({ epoch: epoch + 1, after: head }).line, epoch + 1);
      await refusedWith("epoch-order", scene.forged({ epoch, after: head, kind: CLAIM_KIND }).line, epoch);
      const leap = epoch + MAX_EPOCH_LEAP + 1;
      await refusedWith("epoch-order", scene.forged({ epoch: leap, after: head, kind: CLAIM_KIND }).line, leap);
      await refusedWith("fork", scene.forged({ epoch, after: chain.at(-2)! }).line, epoch);
      await refusedWith("fork", scene.forged({ epoch, kind: CLAIM_KIND }).line, epoch);
      await refusedWith("ack", scene.forged({ epoch, after: chain.at(-2)! }).line);
      // A branch that was stored by the way does not go on in this epoch.
      const aside = scene.forged({ epoch, after: chain.at(-2)! });
      await refusedWith("ack", aside.line, epoch + 1);
      const place = { epoch, seq: aside.event.seq, id: aside.event.id };
      await refusedWith("fork", scene.forged({ epoch, after: place }).line, epoch);
      const owner = world.rotate(scene.relays, 0, chain.length);
      await world.clock.sleep(500);
      const identity = world.knownIdentity().newest!.hash;
      const own = { seed: world.seed, identity };
      await refusedWith("key-not-live", scene.forged({ epoch: epoch + 1, kind: CLAIM_KIND, ...own }).line);
      await refusedWith(
        "key-not-live",
        scene.forged({ epoch: epoch + 1, after: chain[1]!, kind: CLAIM_KIND, ...own }).line,
      );
      await refusedWith("key-not-live", scene.forged({ epoch, after: head, ...own }).line);
      await scene.goesOn(owner);
    },
  },
  {
    name: "two chains begin, and a rotate names the event that began one",
    async run(scene) {
      const { world } = scene;
      const { wire } = world;
      // The first claim of one home reaches one relay, and another home with the genesis begins at the others.
      const one = world.addHost({ madeGenesis: true });
      const other = world.addHost({ madeGenesis: true });
      world.checker.steal();
      const begun = scene.forged({ epoch: 1, kind: CLAIM_KIND });
      const second = scene.forged({ epoch: 1, after: { epoch: 1, seq: 0, id: begun.event.id } });
      await scene.answerTo(scene.relay("A"), [world.genesis.line]);
      await scene.answerTo(scene.relay("A"), [begun.line, second.line], 1);
      wire.block(other.name, scene.relay("A").url);
      const holder = scene.start(other, { takeover: true });
      await scene.holds(holder);
      await scene.until("it wrote", () => scene.chainAt(scene.relay("B")).length > 2);
      world.kill(holder);
      const anchored = world.rotate(scene.relays, 0, 1);
      await scene.goesOn(anchored);
      scene.require(one.running === undefined, "the first home never ran");
    },
  },
];
