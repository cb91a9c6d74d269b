import { isAntsError } from "../../keys/errors.js";
import { RelayConnection } from "./connection.js";
import { requestTimeout, sessionError } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import type { IdentityUnion } from "./identity-union.js";
import type { ClientPorts } from "./ports.js";
import { isPrivateHost } from "./private-hosts.js";
import { readRelayIdentity } from "./relay-identity.js";
import { relaysToAsk } from "./relays-named.js";
import type { Asked } from "./resolved-agent.js";

export interface SearchOptions {
  readonly ports: ClientPorts;
  /** Relays that the caller named itself: asked first, wherever they are. */
  readonly own: readonly string[];
  /** Relays that something on the way named: bounded, and not inside of the reader's own network. */
  readonly hinted: readonly string[];
  readonly allowPrivate: boolean;
  /** For each relay. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Relays that one search asks, whatever it finds on the way. */
const MAX_RELAYS = 64;
/** Of those that a handle's host names, which need not be the agent's. */
const MAX_HINTED = 8;

/**
 * Reads an agent's identity from every relay that is named, by the caller, by a hint, or by any operation that is found
 * on the way (DESIGN 3: resolvers ask the relays of every operation), all at once, into `union`. Resolves when each has
 * answered or failed; returns what each said. Rejects only with the signal's reason.
 */
export async function searchRelays(union: IdentityUnion, options: SearchOptions): Promise<Asked[]> {
  const begun = new Map<string, Promise<Asked>>();
  const begin = (url: string): void => {
    if (begun.has(url) || begun.size >= MAX_RELAYS) return;
    const reading = askOne(union, url, options).finally(beginNamed);
    // Awaited below; until then its failure must not count as unhandled.
    reading.catch(() => {});
    begun.set(url, reading);
  };
  const beginNamed = (): void => {
    for (const url of relaysToAsk(union.operations())) begin(url);
  };
  for (const url of options.own) begin(url);
  for (const url of options.hinted.slice(0, MAX_HINTED)) begin(url);
  beginNamed();
  const answers: Asked[] = [];
  for (const reading of begun.values()) answers.push(await reading);
  return answers;
}

async function askOne(union: IdentityUnion, url: string, options: SearchOptions): Promise<Asked> {
  const { ports, own, allowPrivate, timeoutMs, signal } = options;
  const at = { place: "relay", address: url } as const;
  const isOwn = own.includes(url);
  // Somebody who only dials relays of its own network lives in that network, and so do those whom it meets there.
  const isInside = own.length > 0 && own.every(isPrivateHost);
  const mayBePrivate = isOwn || allowPrivate || isInside;
  if (!mayBePrivate && isPrivateHost(url)) {
    return { ...at, answer: "not-asked", why: "it is an address of this machine or its network" };
  }
  if (!isOwn && !url.startsWith("wss:") && !isPrivateHost(url)) {
    return { ...at, answer: "not-asked", why: "it would be asked without TLS" };
  }
  const late = () => requestTimeout(url, timeoutMs);
  try {
    return await withDeadline(ports.clock, timeoutMs, signal, late, async (signal) => {
      const connection = new RelayConnection(url, ports, { publicOnly: !mayBePrivate, dialTimeoutMs: timeoutMs });
      const take = (line: Uint8Array) => union.take(line);
      const found = await readRelayIdentity(connection, union.did, take, signal).finally(() => connection.close());
      union.answered(url, found);
      const { stream, order, isCut } = found;
      if (order.length === 0) return { ...at, answer: "nothing", why: "it has no operation of this agent" };
      return { ...at, answer: "log", operations: order.length, stream, ...(isCut ? { cut: true } : {}) };
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { code, message } = isAntsError(error) ? error : sessionError(url, error);
    return { ...at, answer: "failed", code, message };
  }
}
