import {
  type CreatedOperation,
  createIdentity,
  deactivateIdentity,
  generateSeed,
  publicKeyFromSeed,
  rotateIdentity,
  updateIdentity,
} from "ants-agent/keys";

type RelayAddresses = readonly { readonly url: string; readonly stream: string }[];
type Changes = Parameters<typeof updateIdentity>[0]["changes"];

/** An identity with its recovery keys at hand: makes operations on any parent, and puts them on relays by HTTP. */
export class Owner {
  readonly genesis: CreatedOperation;
  readonly #seed = generateSeed();
  readonly #recovery = [generateSeed(), generateSeed(), generateSeed()];
  /** By operation that began an era: the seed that signs in it, and which recovery key ends it. */
  readonly #eras = new Map<string, { readonly seed: Uint8Array; readonly next: number }>();

  constructor(relays: RelayAddresses, more: { readonly handles?: readonly string[]; readonly faults?: number } = {}) {
    const spare = publicKeyFromSeed(generateSeed());
    this.genesis = createIdentity({
      signSeeds: [this.#seed],
      agree: spare,
      recoveryKeys: [publicKeyFromSeed(this.#recovery[0]!)],
      escrow: spare,
      relays: named(relays),
      timeMs: 1,
      ...more,
    });
    this.#eras.set(this.genesis.hash, { seed: this.#seed, next: 0 });
  }

  get did() {
    return this.genesis.did;
  }

  update(parent: CreatedOperation, changes: Changes, more: { timeMs?: number; over?: readonly string[] } = {}) {
    const { seed } = this.#eraOf(parent);
    const { timeMs = 2, over } = more;
    const operation = updateIdentity({
      parent: parent.parsed,
      changes: changes.relays === undefined ? changes : { ...changes, relays: named(changes.relays) },
      signSeed: seed,
      timeMs,
      ...(over === undefined ? {} : { over }),
    });
    this.#eras.set(operation.hash, this.#eraOf(parent));
    return operation;
  }

  rotate(parent: CreatedOperation, changes: Changes = {}) {
    const { next } = this.#eraOf(parent);
    const seed = generateSeed();
    const operation = rotateIdentity({
      parent: parent.parsed,
      revealSeeds: [this.#recovery[next]!],
      newSignSeeds: [seed],
      nextRecoveryKeys: [publicKeyFromSeed(this.#recovery[next + 1]!)],
      changes: changes.relays === undefined ? changes : { ...changes, relays: named(changes.relays) },
      timeMs: 3,
    });
    this.#eras.set(operation.hash, { seed, next: next + 1 });
    return operation;
  }

  deactivate(parent: CreatedOperation) {
    const { next } = this.#eraOf(parent);
    return deactivateIdentity({ parent: parent.parsed, revealSeeds: [this.#recovery[next]!], timeMs: 4 });
  }

  #eraOf(parent: CreatedOperation) {
    return this.#eras.get(parent.hash)!;
  }
}

/** Gives a relay these operations in this order; whatever it says of them. */
export async function give(relay: { readonly url: string }, ...operations: readonly CreatedOperation[]): Promise<void> {
  for (const { did, line } of operations) {
    const address = `${relay.url.replace(/^ws/, "http")}/agents/${did}/identity`;
    await (await fetch(address, { method: "POST", body: `${line}\n` })).text();
  }
}

function named(relays: RelayAddresses) {
  return relays.map(({ url, stream }) => ({ url, stream }));
}
