import { hex } from "../../../keys/bytes.js";
import { createBatch } from "../../../src/protocol/batch.js";
import { CLAIM_KIND } from "../../../src/protocol/event.js";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { createPromise } from "../../../src/protocol/promise.js";
import type { PenWorld } from "./pen-world.js";
import type { SimRelay } from "./sim-relay.js";

/** Whoever copied the sign key, and keeps to no rule: signs anything, and sends it to anybody. */
export class Thief {
  readonly #world: PenWorld;
  readonly #seed: Uint8Array;
  readonly #instance: string;

  constructor(world: PenWorld) {
    this.#world = world;
    this.#seed = world.seed;
    this.#instance = hex(world.random.bytes(8));
  }

  /** One act at one relay. */
  act(relay: SimRelay): void {
    const { random } = this.#world;
    const fate = random.next();
    if (fate < 0.25) this.#raise(relay);
    else if (fate < 0.5) this.#fork(relay);
    else if (fate < 0.75) this.#claim(relay);
    else this.#nonsense(relay);
  }

  /** Has an epoch promised that nobody will soon be above. */
  #raise(relay: SimRelay): void {
    const { did, random, clock } = this.#world;
    const epoch = (relay.head(did)?.epoch ?? 0) + 1 + Math.floor(random.next() * 2 ** 20);
    const { stream } = relay.address;
    const line = createPromise({
      did,
      epoch,
      stream,
      instance: this.#instance,
      timeMs: clock.nowMs(),
      takeover: true,
      seed: this.#seed,
    });
    relay.post(encodeFrame({ t: "promise", ref: 1 }, [line]));
  }

  /** Another event in the place of one that is there. */
  #fork(relay: SimRelay): void {
    const { did, random } = this.#world;
    const chain = relay.chain(did);
    if (chain.length < 2) return;
    const i = 1 + Math.floor(random.next() * (chain.length - 1));
    const after = JSON.parse(Buffer.from(chain[i - 1]!.line).toString());
    const there = JSON.parse(Buffer.from(chain[i]!.line).toString());
    if (after.epoch !== there.epoch) return;
    this.#post(relay, after.epoch, after, "note");
  }

  /** A claim anywhere on the chain, with all that comes after it left behind. */
  #claim(relay: SimRelay): void {
    const { did, random } = this.#world;
    const chain = relay.chain(did);
    const head = relay.head(did);
    if (head === undefined) return;
    const after = JSON.parse(Buffer.from(chain[Math.floor(random.next() * chain.length)]!.line).toString());
    this.#post(relay, head.epoch + 1 + Math.floor(random.next() * 50), after, CLAIM_KIND);
  }

  /** An event in an epoch that does not fit its place, in a frame that states another. */
  #nonsense(relay: SimRelay): void {
    const { did, random } = this.#world;
    const chain = relay.chain(did);
    if (chain.length === 0) return;
    const after = JSON.parse(Buffer.from(chain[Math.floor(random.next() * chain.length)]!.line).toString());
    const epoch = Math.max(1, after.epoch + Math.floor(random.next() * 5) - 2);
    this.#post(
      relay,
      epoch,
      after,
      random.next() < 0.5 ? CLAIM_KIND : "note",
      epoch + Math.floor(random.next() * 5) - 2,
    );
  }

  #post(
    relay: SimRelay,
    epoch: number,
    { epoch: e, seq, id }: { epoch: number; seq: number; id: string },
    kind: string,
    says = epoch,
  ) {
    const { did, random, clock, genesis } = this.#world;
    const body =
      kind === CLAIM_KIND ? { instance: this.#instance, label: "thief", identity: genesis.hash } : { stolen: true };
    const drafts = [{ kind, body, timeMs: clock.nowMs() }];
    const events = createBatch({ did, seed: this.#seed, epoch, after: { epoch: e, seq, id }, drafts, random });
    const stated = random.next() < 0.7 ? { epoch: Math.max(1, says) } : {};
    relay.post(
      encodeFrame(
        { t: "publish", ref: 1, ...stated },
        events.map(({ line }) => line),
      ),
    );
  }
}
