import { hex } from "../../../keys/bytes.js";
import { generateSeed, publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { createIdentity, rotateIdentity } from "../../../keys/identity/create.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { systemRandom } from "../../../keys/ports.js";
import { createAuth } from "../../../src/protocol/auth.js";
import { createBatch, type EventDraft, type SignedEvent } from "../../../src/protocol/batch.js";
import type { ChainHead } from "../../../src/protocol/event.js";
import { createPromise } from "../../../src/protocol/promise.js";

const timeMs = 1_790_000_000_000;

/** An agent that writes a chain, as far as a relay can tell: keys, identity, events in order. */
export class Author {
  readonly seed = generateSeed();
  readonly key = encodeMultikey(publicKeyFromSeed(this.seed));
  readonly recoverySeed = generateSeed();
  readonly instance = hex(systemRandom.bytes(8));
  readonly genesis = createIdentity({
    signSeeds: [this.seed],
    agree: generateSeed(),
    recoveryKeys: [publicKeyFromSeed(this.recoverySeed)],
    escrow: generateSeed(),
    relays: [{ url: "wss://relay.example", stream: "0123456789abcdef" }],
    timeMs,
  });
  readonly did = this.genesis.did;
  epoch = 1;
  head: ChainHead | undefined;

  /** The event that opens the present epoch. */
  claim(): string {
    const { hash: identity } = this.genesis;
    return this.write([{ kind: "ants.claim", body: { instance: this.instance, identity, label: "test" }, timeMs }])[0]!;
  }

  /** Identity and first claim: what a relay needs before it takes anything else. */
  begin(): string[] {
    return [this.genesis.line, this.claim()];
  }

  /** Signs events as one batch on the end of the chain; their lines. */
  write(drafts: readonly EventDraft[]): string[] {
    return this.sign(drafts).map(({ line }) => line);
  }

  sign(drafts: readonly EventDraft[]): SignedEvent[] {
    const { did, seed, epoch, head } = this;
    const batch = createBatch({ did, seed, epoch, drafts, ...(head === undefined ? {} : { after: head }) });
    const { event, id } = batch.at(-1)!;
    this.head = { epoch, seq: event.seq, id };
    return batch;
  }

  notes(count: number, more: Partial<EventDraft> = {}): string[] {
    const first = (this.head?.seq ?? -1) + 1;
    return this.write(Array.from({ length: count }, (_, i) => note(`note ${first + i}`, more)));
  }

  auth(to: { relay: string; challenge: string }): string {
    const { did, instance, seed } = this;
    return createAuth({ did, instance, seed, timeMs, ...to });
  }

  /** An operation by the recovery key that retires the present one; the chain stays good. */
  rotation(): string {
    const { head } = this;
    return rotateIdentity({
      parent: this.genesis.parsed,
      ...(head === undefined ? {} : { anchor: head }),
      revealSeeds: [this.recoverySeed],
      newSignSeeds: [generateSeed()],
      nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
      timeMs,
    }).line;
  }

  promise(stream: string, epoch: number): string {
    const { did, instance, seed } = this;
    return createPromise({ did, instance, seed, epoch, stream, timeMs });
  }
}

export function note(text: string, more: Partial<EventDraft> = {}): EventDraft {
  return { kind: "note", body: { text }, timeMs, ...more };
}
