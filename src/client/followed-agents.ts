import { fromUtf8 } from "../../keys/bytes.js";
import { type RelaySet, relaySetOf } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { ChainHead } from "../protocol/event.js";
import type { AgentState } from "./follow-state.js";
import type { Identities } from "./identities.js";

/** Of the relays that an agent left, how many are asked what they know of it. */
const MAX_LEFT = 8;

/**
 * The agents that a follow reads wherever they are: which relays that makes, as far as their identity logs are known.
 * The logs are kept here, so that no number of other authors displaces them.
 */
export class FollowedAgents {
  readonly #identities: Identities;
  readonly #dids: readonly string[];
  readonly #mayDial: (url: string) => boolean;
  /** By DID; written anew when the log grew. */
  readonly #lines = new Map<string, { readonly count: number; readonly operations: readonly string[] }>();

  constructor(identities: Identities, dids: readonly string[], mayDial: (url: string) => boolean) {
    this.#identities = identities;
    this.#dids = dids;
    this.#mayDial = mayDial;
  }

  get isEmpty(): boolean {
    return this.#dids.length === 0;
  }

  /** Every relay that one of them names now and that may be dialled: the first of each agent first, then the second … */
  relays(): RelayAddress[] {
    const named = this.#dids.map((did) => this.#setOf(did)?.relays.filter(({ url }) => this.#mayDial(url)) ?? []);
    const found = new Map<string, RelayAddress>();
    const most = Math.max(0, ...named.map(({ length }) => length));
    for (let i = 0; i < most; i++) {
      for (const relays of named) {
        const relay = relays[i];
        if (relay !== undefined && !found.has(relay.url)) found.set(relay.url, relay);
      }
    }
    return [...found.values()];
  }

  /** Those that have named this relay at some time, and what they name now. */
  formerly(url: string): { readonly did: string; readonly set: RelaySet }[] {
    return this.#dids.flatMap((did) => {
      const set = this.#setOf(did);
      const named = this.#identities
        .logOf(did)
        .operations()
        .some(({ op }) => op.relays.some((relay) => relay.url === url));
      return set !== undefined && named ? [{ did, set }] : [];
    });
  }

  /** Relays that each named once and does not name now, at most 8 of each, the newest first. */
  left(): { readonly did: string; readonly url: string }[] {
    return this.#dids.flatMap((did) => {
      const now = new Set(this.#setOf(did)?.relays.map(({ url }) => url));
      const once = this.#identities
        .logOf(did)
        .operations()
        .reverse()
        .flatMap(({ op }) => op.relays.map(({ url }) => url));
      const left = [...new Set(once)].filter((url) => !now.has(url) && this.#mayDial(url));
      return left.slice(0, MAX_LEFT).map((url) => ({ did, url }));
    });
  }

  /** What a restart needs to find them again. `tipOf`: the last event of each that was given out. */
  state(tipOf: (did: string) => ChainHead | undefined): Record<string, AgentState> {
    return Object.fromEntries(
      this.#dids.map((did) => {
        const tip = tipOf(did);
        return [did, { operations: this.#linesOf(did), ...(tip === undefined ? {} : { tip }) }];
      }),
    );
  }

  #setOf(did: string): RelaySet | undefined {
    const { newest } = this.#identities.logOf(did);
    return newest === undefined ? undefined : relaySetOf(newest);
  }

  #linesOf(did: string): readonly string[] {
    const log = this.#identities.logOf(did);
    const { size } = log;
    const known = this.#lines.get(did);
    if (known?.count === size) return known.operations;
    const operations = log.operations().map(({ line }) => fromUtf8(line));
    this.#lines.set(did, { count: size, operations });
    return operations;
  }
}
