import { AntsError, isAntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { RootCache, verifyEventSignature } from "../protocol/batch.js";
import { parseEvent } from "../protocol/event.js";
import { type ForkProof, forkPlace, HEAL_KIND, type HealedFork, healedForks, verifyFork } from "../protocol/fork.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import type { RelayConnection } from "./connection.js";
import { requestTimeout } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import { splitLines } from "./lines.js";
import type { ClientPorts } from "./ports.js";
import type { RelayPool } from "./relay-pool.js";
import { relaysToAsk } from "./relays-named.js";

/** What is asked of the author's identity: whether a key was ever its own. */
export interface KnownKeys {
  rotationsOf(key: string): number | undefined;
}

/** Proofs that are taken from one relay: it serves fewer. */
const MAX_PROOFS = 64;
const MAX_ANSWER_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;

/**
 * The forks of an agent that one relay can prove, each verified from its two lines, by keys that the agent's identity
 * names; the same place once. Pairs that prove nothing (events by keys of two eras, for example) are passed over.
 *
 * Throws `relay-unreachable`, `too-large`, what the relay refused with, or the signal's reason.
 */
export async function readForks(
  url: string,
  did: string,
  { keys, ports, signal }: { readonly keys: KnownKeys; readonly ports: ClientPorts; readonly signal?: AbortSignal },
): Promise<ForkProof[]> {
  const address = `${httpUrlOf(url)}/agents/${did}/forks`;
  const limits = { maxBytes: MAX_ANSWER_BYTES, ...(signal === undefined ? {} : { signal }) };
  const { status, body } = await ports.get(address, limits);
  if (status === 404) return [];
  if (status !== 200) {
    throw new AntsError("relay-protocol", `${address} answers with HTTP status ${status}`, {
      details: { url, status },
    });
  }
  const lines = splitLines(body);
  const found = new Map<string, ForkProof>();
  for (let i = 0; i + 1 < lines.length && found.size < MAX_PROOFS; i += 2) {
    const proof = proofOrNothing(lines[i]!, lines[i + 1]!);
    if (proof?.did !== did || keys.rotationsOf(proof.key) === undefined) continue;
    if (!found.has(forkPlace(proof))) found.set(forkPlace(proof), proof);
  }
  return [...found.values()];
}

function proofOrNothing(a: Uint8Array, b: Uint8Array): ForkProof | undefined {
  try {
    return verifyFork(a, b);
  } catch (error) {
    if (isAntsError(error, "fork-unproven")) return undefined;
    throw error;
  }
}

/** A fork of an agent, and who can prove it. */
export interface KnownFork {
  readonly proof: ForkProof;
  /** URLs of the relays that serve the proof. */
  readonly relays: readonly string[];
  /** An event of the agent joined it. */
  readonly isHealed: boolean;
}

export interface ForkSurvey {
  /** By epoch and seq. */
  readonly forks: readonly KnownFork[];
  /** What each relay that was asked came to. */
  readonly relays: readonly ({ readonly url: string } & (
    | { readonly state: "read" }
    | { readonly state: "failed"; readonly error: AntsError }
  ))[];
}

export interface ForkSurveyOptions {
  readonly did: string;
  /** The agent's identity log: whose keys count, and which relays to ask. */
  readonly log: KnownKeys & { operations(): readonly ParsedOperation[] };
  /** Relays to ask beside those that the operations name. */
  readonly urls?: readonly string[];
  readonly pool: RelayPool;
  readonly ports: ClientPorts;
  /** For each relay. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Asks the relays of an agent, all at once, for its forks and for what joined them. Throws the signal's reason. */
export async function surveyForks(options: ForkSurveyOptions): Promise<ForkSurvey> {
  const { did, log: keys, urls = [], pool, ports, timeoutMs, signal } = options;
  const found = new Map<string, { readonly proof: ForkProof; readonly relays: string[] }>();
  const healed = new Set<string>();
  const ask = async (url: string): Promise<ForkSurvey["relays"][number]> => {
    const late = () => pool.whyAway(url) ?? requestTimeout(url, timeoutMs);
    try {
      await withDeadline(ports.clock, timeoutMs, signal, late, async (signal) => {
        for (const fork of await readHeals(pool.get(url), did, { keys, signal })) healed.add(forkPlace(fork));
        for (const proof of await readForks(url, did, { keys, ports, signal })) {
          const known = found.get(forkPlace(proof));
          if (known === undefined) found.set(forkPlace(proof), { proof, relays: [url] });
          else known.relays.push(url);
        }
      });
      return { url, state: "read" };
    } catch (error) {
      if (signal.aborted || !isAntsError(error)) throw error;
      return { url, state: "failed", error };
    }
  };
  const relays = await Promise.all([...new Set([...urls, ...relaysToAsk(keys.operations())])].map(ask));
  const forks = [...found.values()].map((fork) => ({ ...fork, isHealed: healed.has(forkPlace(fork.proof)) }));
  forks.sort(({ proof: a }, { proof: b }) => a.epoch - b.epoch || a.seq - b.seq);
  return { forks, relays };
}

/** How long one relay may take to be told of forks, of however many. */
const TELL_TIMEOUT_MS = 5_000;

/**
 * Hands both lines of each proof to a relay, as anybody may: it keeps what it has not got yet. A relay that takes none,
 * takes too long, or cannot be reached, is passed over. Throws the signal's reason.
 */
export async function handProofs(
  relay: RelayConnection,
  proofs: readonly ForkProof[],
  { clock }: Pick<ClientPorts, "clock">,
  signal: AbortSignal,
): Promise<void> {
  const late = () => requestTimeout(relay.url, TELL_TIMEOUT_MS);
  try {
    await withDeadline(clock, TELL_TIMEOUT_MS, signal, late, async (signal) => {
      await relay.opened(signal);
      // Each in a frame of its own: a refusal of one says nothing of the other.
      for (const { line } of proofs.flatMap(({ events }) => events)) await relay.publish([line], { signal });
    });
  } catch (error) {
    if (signal.aborted || !isAntsError(error)) throw error;
  }
}

/**
 * Whether an event of this epoch and key can join a fork: of a later epoch, by a key of the fork's era; or by one of a later
 * era, when the epochs are counted anew. Whoever wrote the fork could say in the same epoch that all is well.
 */
export function canJoin(
  { epoch, key }: { readonly epoch: number; readonly key: string },
  fork: Pick<HealedFork, "epoch" | "key">,
  keys: KnownKeys,
): boolean {
  const [era, forkEra] = [keys.rotationsOf(key), keys.rotationsOf(fork.key)];
  if (era === undefined || forkEra === undefined) return false;
  return era > forkEra || (era === forkEra && epoch > fork.epoch);
}

/** The forks that events of the agent, as a relay has them, have joined. Throws what a follow throws. */
async function readHeals(
  connection: RelayConnection,
  did: string,
  { keys, signal }: { readonly keys: KnownKeys; readonly signal: AbortSignal },
): Promise<HealedFork[]> {
  await connection.opened(signal);
  const roots = new RootCache();
  const healed: HealedFork[] = [];
  const filter = { dids: [did], kinds: [HEAL_KIND] };
  for await (const { entries } of connection.follow({ after: "start", live: false, filter, signal })) {
    for (const line of entries) {
      const parsed = parseEvent(line);
      if (parsed.did !== did) continue;
      const joined = healedForks(parsed).filter((fork) => canJoin(parsed.event, fork, keys));
      if (joined.length > 0 && verifyEventSignature(parsed, roots)) healed.push(...joined);
    }
  }
  return healed;
}
