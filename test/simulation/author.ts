import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { type CreatedOperation, createIdentity, rotateIdentity } from "../../keys/identity/create.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { createBatch, type EventDraft, type SignedEvent } from "../../src/protocol/batch.js";
import { type ChainHead, CLAIM_KIND } from "../../src/protocol/event.js";
import type { SimRandom } from "./sim-random.js";

/** Somebody who signs events, without relays or rules: what arrives where is the test's business. */
export class Author {
  readonly genesis: CreatedOperation;
  seed: Uint8Array;
  readonly #recovery: Uint8Array;
  readonly #random: SimRandom;

  constructor(random: SimRandom, relays: readonly RelayAddress[]) {
    this.#random = random;
    this.seed = random.bytes(32);
    this.#recovery = random.bytes(32);
    this.genesis = createIdentity({
      signSeeds: [this.seed],
      agree: random.bytes(32),
      recoveryKeys: [publicKeyFromSeed(this.#recovery)],
      escrow: random.bytes(32),
      relays,
      timeMs: 0,
    });
  }

  get did(): CreatedOperation["did"] {
    return this.genesis.did;
  }

  claim(epoch: number, after?: ChainHead): SignedEvent {
    const body = { instance: "0123456789abcdef", label: "author", identity: this.genesis.hash };
    return this.#sign(epoch, after, [{ kind: CLAIM_KIND, body, timeMs: 0 }])[0]!;
  }

  /** `count` notes after an event; the drafts can be changed one by one. */
  notes(count: number, after: SignedEvent, draft: (i: number) => Partial<EventDraft> = () => ({})): SignedEvent[] {
    const { epoch, seq, id } = after.event;
    const drafts = Array.from({ length: count }, (_, i) => ({
      kind: "note",
      body: { i: seq + 1 + i },
      timeMs: 0,
      ...draft(i),
    }));
    return this.#sign(epoch, { epoch, seq, id }, drafts);
  }

  /** A claim and `count - 1` notes: a whole chain of `count` events. */
  chain(count: number, draft?: (i: number) => Partial<EventDraft>): SignedEvent[] {
    const claim = this.claim(1);
    return [claim, ...this.notes(count - 1, claim, draft)];
  }

  /** Rotates to a fresh key with this event as the last good one. */
  rotate(anchor: SignedEvent): CreatedOperation {
    const next = this.#random.bytes(32);
    const { epoch, seq, id } = anchor.event;
    const operation = rotateIdentity({
      parent: this.genesis.parsed,
      anchor: { epoch, seq, id },
      revealSeeds: [this.#recovery],
      newSignSeeds: [next],
      nextRecoveryKeys: [publicKeyFromSeed(this.#random.bytes(32))],
      timeMs: 0,
    });
    this.seed = next;
    return operation;
  }

  #sign(epoch: number, after: ChainHead | undefined, drafts: readonly EventDraft[]): SignedEvent[] {
    const events: SignedEvent[] = [];
    let last = after;
    for (let i = 0; i < drafts.length; i += 256) {
      const batch = createBatch({
        did: this.did,
        seed: this.seed,
        epoch,
        ...(last === undefined ? {} : { after: last }),
        drafts: drafts.slice(i, i + 256),
        random: this.#random,
      });
      events.push(...batch);
      const { seq, id } = batch.at(-1)!.event;
      last = { epoch, seq, id };
    }
    return events;
  }
}

export const linesOf = (events: readonly { readonly line: string }[]): string[] => events.map(({ line }) => line);
