import { generateSeed, publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import {
  type CreatedOperation,
  createIdentity,
  deactivateIdentity,
  type GenesisInput,
  rotateIdentity,
  type UpdateChanges,
  updateIdentity,
} from "../../../keys/identity/create.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { createBatch } from "../../../src/protocol/batch.js";

let timeMs = 1_790_000_000_000;

/** An agent that changes its identity: every operation follows the one before it, unless another parent is named. */
export class NamedAuthor {
  readonly seed = generateSeed();
  readonly recoverySeed = generateSeed();
  readonly agree = generateSeed();
  readonly operations: CreatedOperation[];

  constructor(input: Partial<GenesisInput> = {}) {
    const genesis = createIdentity({
      signSeeds: [this.seed],
      agree: this.agree,
      recoveryKeys: [publicKeyFromSeed(this.recoverySeed)],
      escrow: generateSeed(),
      relays: [],
      timeMs: ++timeMs,
      ...input,
    });
    this.operations = [genesis];
  }

  get did(): string {
    return this.operations[0]!.did;
  }

  get newest(): CreatedOperation {
    return this.operations.at(-1)!;
  }

  get escrow(): string {
    return this.operations[0]!.operation.escrow;
  }

  get key(): string {
    return encodeMultikey(publicKeyFromSeed(this.seed));
  }

  update(changes: UpdateChanges, parent = this.newest): string {
    const next = updateIdentity({ parent: parent.parsed, signSeed: this.seed, changes, timeMs: ++timeMs });
    this.operations.push(next);
    return next.line;
  }

  rotate(changes: UpdateChanges = {}): string {
    const next = rotateIdentity({
      parent: this.newest.parsed,
      revealSeeds: [this.recoverySeed],
      newSignSeeds: [generateSeed()],
      nextRecoveryKeys: [publicKeyFromSeed(generateSeed())],
      changes,
      timeMs: ++timeMs,
    });
    this.operations.push(next);
    return next.line;
  }

  deactivate(): string {
    const revealSeeds = [this.recoverySeed];
    const end = deactivateIdentity({ parent: this.newest.parsed, revealSeeds, timeMs: ++timeMs });
    this.operations.push(end);
    return end.line;
  }

  /** The first event of its chain: with it the relay hosts the agent. */
  claim(): string {
    const body = { instance: "00000000000000aa", identity: this.newest.hash, label: "test" };
    const drafts = [{ kind: "ants.claim", body, timeMs: ++timeMs }];
    return createBatch({ did: this.operations[0]!.did, seed: this.seed, epoch: 1, drafts })[0]!.line;
  }
}
