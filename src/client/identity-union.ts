import type { Did } from "../../keys/did.js";
import { type ParsedOperation, parsedOrNothing } from "../../keys/identity/operation.js";
import { OperationSet } from "../../keys/identity/operation-set.js";
import { quorumSize } from "../../keys/identity/relay-set.js";
import { type Resolution, resolveSet } from "../../keys/identity/resolve.js";
import type { IdentityOperation, RelayAddress } from "../../keys/identity/shape.js";
import type { Pin } from "./known-identities.js";
import { relayKey } from "./quorum.js";
import type { RelayIdentity } from "./relay-identity.js";

/**
 * Everything that several relays, and this reader from before, hold of one agent's identity, and what it says as one.
 * What one relay withholds another has; what is pinned stays in.
 */
export class IdentityUnion {
  readonly did: Did;
  readonly #set: OperationSet;
  readonly #pinned: string | undefined;
  /** For each relay that was read whole or in part: the hashes in the order in which it took them. */
  readonly #orders = new Map<string, ReadonlyMap<string, number>>();

  constructor(did: Did, pin?: Pin) {
    this.did = did;
    this.#set = new OperationSet(did, pin?.operations);
    this.#pinned = pin?.head;
  }

  get size(): number {
    return this.#set.size;
  }

  /** All operations that are valid on their own path, each after its parent. */
  operations(): ParsedOperation[] {
    return this.#set.operations();
  }

  /** Takes a line that a relay sent. Its hash if it is a valid operation of this agent, else undefined. */
  take(line: Uint8Array): string | undefined {
    const operation = parsedOrNothing(line);
    if (operation?.did !== this.did) return undefined;
    // What waits for a parent is not kept: a relay could send any amount of it.
    if (operation.op.op !== "genesis" && this.#set.get(operation.op.prev) === undefined) return undefined;
    this.#set.add(operation);
    return this.#set.get(operation.hash) === undefined ? undefined : operation.hash;
  }

  /** What a relay at `url` answered: it counts as the relay of that name only under the stream that it says. */
  answered(url: string, { stream, order }: RelayIdentity): void {
    this.#orders.set(relayKey({ url, stream }), new Map(order.map((hash, index) => [hash, index])));
  }

  /** How many of these relays, each in the incarnation that is named here, have this agent. */
  answersOf(relays: readonly RelayAddress[]): number {
    return relays.filter((relay) => (this.#orders.get(relayKey(relay))?.size ?? 0) > 0).length;
  }

  /** Whether any relay at all has this agent. */
  get isServed(): boolean {
    return [...this.#orders.values()].some(({ size }) => size > 0);
  }

  /** What all of it says. Throws "identity-pin-missing" for a pin that its own operations do not contain. */
  resolve(): Resolution {
    return resolveSet(this.#set, {
      ...(this.#pinned === undefined ? {} : { pinned: this.#pinned }),
      firstHeld: (rivals, parent) => this.#firstHeld(rivals, parent),
    });
  }

  /** The rival that a quorum of the parent's relays took before the others (DESIGN 3); each relay has one voice. */
  #firstHeld(rivals: readonly string[], { relays, faults }: IdentityOperation): string | undefined {
    const voices = new Map<string, number>();
    for (const relay of relays) {
      const order = this.#orders.get(relayKey(relay));
      const first = order === undefined ? undefined : firstOf(rivals, order);
      if (first !== undefined) voices.set(first, (voices.get(first) ?? 0) + 1);
    }
    const quorum = quorumSize(relays.length, faults);
    return rivals.find((rival) => (voices.get(rival) ?? 0) >= quorum);
  }
}

function firstOf(rivals: readonly string[], order: ReadonlyMap<string, number>): string | undefined {
  const held = rivals.filter((rival) => order.has(rival));
  return held.sort((a, b) => order.get(a)! - order.get(b)!)[0];
}
