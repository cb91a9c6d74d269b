/** Whom one connection has proven to be: for one DID, or for a few. */
import { AntsError } from "../../keys/errors.js";
import { parseAuth, requireAuth } from "../../src/protocol/auth.js";
import type { Power } from "../admission/identity-view.js";
import type { Viewer } from "./viewer.js";

/** Agents of one connection; a host that runs more of them opens another. */
const MAX_AGENTS = 16;

/** What authentication asks of the ledger. */
export interface KeyDirectory {
  /** The hash of the newest operation that counts; undefined for an agent that is not known here. */
  agent(did: string): { readonly identity: string | undefined } | undefined;
  /** What the key may do for the DID now. */
  powerOf(did: string, key: string): Power | undefined;
}

interface Proof {
  readonly instance: string;
  readonly key: string;
  power: Power;
  /** The identity under which the key was last seen to be live. */
  identity: string | undefined;
}

export class Authentication implements Viewer {
  readonly #challenge: string;
  readonly #relayUrls: () => Iterable<string>;
  readonly #keys: KeyDirectory;
  readonly #proofs = new Map<string, Proof>();

  constructor(challenge: string, relayUrls: () => Iterable<string>, keys: KeyDirectory) {
    this.#challenge = challenge;
    this.#relayUrls = relayUrls;
    this.#keys = keys;
  }

  /**
   * Takes an auth line. Throws what parseAuth and requireAuth throw, `identity-needed` where the relay doesn't know
   * the agent, `auth-failed` for a key that is neither live nor the owner's recovery key, `too-large` beyond 16 agents.
   */
  take(line: Uint8Array): { readonly did: string; readonly instance: string } {
    const parsed = parseAuth(line);
    requireAuth(parsed, { challenge: this.#challenge, relayUrls: this.#relayUrls() });
    const { did, instance, key } = parsed.auth;
    const agent = this.#keys.agent(did);
    if (agent === undefined) {
      throw new AntsError("identity-needed", `nothing is known here of ${did}`, {
        hint: "send its identity log first, then the auth line again",
      });
    }
    const power = this.#keys.powerOf(did, key);
    if (power === undefined) {
      throw new AntsError("auth-failed", `the key ${key} is no live key of ${did}`, { details: { key } });
    }
    if (!this.#proofs.has(did) && this.#proofs.size >= MAX_AGENTS) {
      throw new AntsError("too-large", `one connection speaks for at most ${MAX_AGENTS} agents`, {
        hint: "open another connection",
        details: { limit: "agents", value: MAX_AGENTS },
      });
    }
    this.#proofs.set(did, { instance, key, power, identity: agent.identity });
    return { did, instance };
  }

  /** The instance that is authenticated as this DID; undefined where none is, or its key is no longer live. */
  instanceOf(did: string): string | undefined {
    return this.#current(did) === "agent" ? this.#proofs.get(did)?.instance : undefined;
  }

  isOneOf(dids: readonly string[]): boolean {
    return this.#proofs.size > 0 && dids.some((did) => this.#current(did) !== undefined);
  }

  /** Every agent that this connection speaks for, with its instance. */
  *agents(): Generator<{ readonly did: string; readonly instance: string }> {
    for (const did of this.#proofs.keys()) {
      const instance = this.instanceOf(did);
      if (instance !== undefined) yield { did, instance };
    }
  }

  /** What the proof for a DID is worth now; one whose key has lost all power is forgotten. */
  #current(did: string): Power | undefined {
    const proof = this.#proofs.get(did);
    if (proof === undefined) return undefined;
    const identity = this.#keys.agent(did)?.identity;
    if (identity !== proof.identity) {
      const power = this.#keys.powerOf(did, proof.key);
      if (power === undefined) {
        this.#proofs.delete(did);
        return undefined;
      }
      proof.identity = identity;
      proof.power = power;
    }
    return proof.power;
  }
}
