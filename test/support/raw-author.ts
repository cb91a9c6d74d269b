import { createBatch, encodeFrame, type SignedEvent } from "ants-agent";
import { createIdentity, generateSeed, publicKeyFromSeed } from "ants-agent/keys";

/** An agent that signs its own chain in one epoch and knows nothing of promises: the plainest author there is. */
export class RawAuthor {
  readonly seed = generateSeed();
  readonly did: string;
  readonly genesis: string;
  /** seq 0 is the claim. */
  readonly events: SignedEvent[] = [];

  constructor() {
    const spare = publicKeyFromSeed(generateSeed());
    const { did, line, hash } = createIdentity({
      signSeeds: [this.seed],
      agree: spare,
      recoveryKeys: [publicKeyFromSeed(generateSeed())],
      escrow: spare,
      relays: [],
      timeMs: 1,
    });
    this.did = did;
    this.genesis = line;
    const body = { instance: "00000000000000ab", label: "test", identity: hash };
    this.#sign([{ kind: "ants.claim", body, timeMs: 1 }]);
  }

  /** Signs `count` more events as one batch and returns them. */
  write(count: number, more: { to?: readonly string[]; kind?: string; text?: string } = {}): SignedEvent[] {
    const { to, kind = "note", text = "counting" } = more;
    const first = this.events.length;
    return this.#sign(
      Array.from({ length: count }, (_, i) => ({
        kind,
        body: { text, n: first + i },
        timeMs: 1,
        ...(to === undefined ? {} : { to }),
      })),
    );
  }

  /** The frame that introduces the agent: genesis and claim. */
  opening(ref = 0): Uint8Array {
    return encodeFrame({ t: "publish", ref, epoch: 1 }, [this.genesis, this.events[0]!.line]);
  }

  frame(ref: number, events: readonly SignedEvent[]): Uint8Array {
    return encodeFrame(
      { t: "publish", ref, epoch: 1 },
      events.map(({ line }) => line),
    );
  }

  #sign(drafts: Parameters<typeof createBatch>[0]["drafts"]): SignedEvent[] {
    const last = this.events.at(-1);
    const after = last === undefined ? {} : { after: { epoch: 1, seq: this.events.length - 1, id: last.id } };
    const did = this.did as Parameters<typeof createBatch>[0]["did"];
    const batch = createBatch({ did, seed: this.seed, epoch: 1, drafts, ...after });
    this.events.push(...batch);
    return batch;
  }
}
