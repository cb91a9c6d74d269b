import type { Facts } from "./facts.js";
import type { DomainListing, HandleChange, HandleHold } from "./index-group.js";
import { FACT, factKey } from "./index-keys.js";

const ZERO = Buffer.of(0);

/** With whom each handle is, and who listed which domain: facts by handle, by agent and by domain. */
export class HandleHolds {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  get(handle: string): HandleHold | undefined {
    const stored = this.#facts.get(handleKey(handle));
    return stored && (JSON.parse(stored.toString("utf8")) as HandleHold);
  }

  /** Handles under a host that are with this agent. */
  of(did: string, host: string, limit: number): string[] {
    const prefix = factKey(FACT.handleOf, text(did), ZERO, text(host), ZERO);
    const rows = this.#facts.withPrefix(prefix, limit);
    return rows.map(({ key }) => `${key.toString("latin1", prefix.length)}@${host}`);
  }

  /** Whether the handle is found among the agent's. */
  isOf(did: string, handle: string): boolean {
    return this.#facts.has(ofKey(did, handle));
  }

  /** Number of the agent whose operation at `position` lists the domain. */
  listerAt(domain: string, position: number): number | undefined {
    return this.#facts.get(factKey(FACT.listing, text(domain), ZERO, [position, 6]))?.readUInt32BE(0);
  }

  change({ handle, hold }: HandleChange): void {
    const known = this.get(handle);
    if (known !== undefined && known.did !== hold?.did) this.#facts.remove(ofKey(known.did, handle));
    if (hold === undefined) {
      this.#facts.remove(handleKey(handle));
      return;
    }
    this.#facts.put(handleKey(handle), Buffer.from(JSON.stringify(hold)));
    if (known?.did !== hold.did) this.#facts.put(ofKey(hold.did, handle));
  }

  list({ domain, agentNo, position }: DomainListing): void {
    const value = Buffer.allocUnsafe(4);
    value.writeUInt32BE(agentNo);
    this.#facts.put(factKey(FACT.listing, text(domain), ZERO, [position, 6]), value);
  }

  /** Agents in the order in which they first listed a domain. */
  listersOf(domain: string, limit: number): number[] {
    const rows = this.#facts.withPrefix(factKey(FACT.listing, text(domain), ZERO), limit);
    return [...new Set(rows.map(({ value }) => value.readUInt32BE(0)))];
  }
}

function handleKey(handle: string): Buffer {
  return factKey(FACT.handle, text(handle));
}

/** The host first, so that one agent's handles under one host lie side by side. */
function ofKey(did: string, handle: string): Buffer {
  const [name, host] = handle.split("@") as [string, string];
  return factKey(FACT.handleOf, text(did), ZERO, text(host), ZERO, text(name));
}

/** DIDs, handles and domains are ASCII. */
function text(ascii: string): Buffer {
  return Buffer.from(ascii, "latin1");
}
