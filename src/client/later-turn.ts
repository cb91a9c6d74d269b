import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache, verifyEventSignature } from "../protocol/batch.js";
import { parseEntry } from "../protocol/entry.js";
import { EnvelopeReader } from "../protocol/envelope.js";
import { type ChainHead, CLAIM_KIND, type ParsedEvent } from "../protocol/event.js";
import { HASH } from "../protocol/grammar.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";
import { readRelayFrame } from "../protocol/messages.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import type { HttpGet } from "./http.js";

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_ANSWER_BYTES = 2 * DEFAULT_LIMITS.maxFrameBytes;
/** Before the head that a relay names: what is addressed to somebody is kept from strangers, its neighbours are not. */
const BEFORE_HEAD = 8;

/** What a relay names as the end of an agent's chain and of its identity log: its word only. */
export interface NamedHead {
  readonly head?: ChainHead;
  /** Hash of the newest identity operation. */
  readonly identity?: string;
}

/**
 * Asks a relay by HTTP, as anybody may; nothing where it knows no such agent. Throws `relay-protocol` (an answer that is
 * none), `relay-unreachable`, `too-large`, or the signal's reason.
 */
export async function headNamedBy(url: string, did: string, get: HttpGet, signal: AbortSignal): Promise<NamedHead> {
  const { status, body } = await get(`${httpUrlOf(url)}/agents/${did}/head`, { maxBytes: MAX_HEAD_BYTES, signal });
  if (status !== 200) return {};
  try {
    const { head, identity } = (JSON.parse(new TextDecoder().decode(body)) ?? {}) as Record<string, unknown>;
    const read = new EnvelopeReader({ t: "head", head, identity }, 0);
    return {
      ...(read.has("head") ? { head: read.chainHead("head") } : {}),
      ...(read.has("identity") ? { identity: read.text("identity", HASH, "64 hex digits") } : {}),
    };
  } catch (cause) {
    throw new AntsError("relay-protocol", `${url}: what it names as the head of a chain cannot be read`, {
      cause,
      details: { url },
    });
  }
}

/** A turn of an agent that began after another one: by the rotates behind its key, then by its epoch. */
export interface TurnRank {
  readonly rotations: number;
  readonly epoch: number;
}

/** An event that the agent's key signed in a later turn; of its turn, what its claim says where that was shown. */
export interface LaterEvent extends ChainHead {
  /** Milliseconds since 1970, by its author's clock. */
  readonly timeMs: number;
  readonly label?: string;
}

export interface LaterTurnQuestion {
  readonly url: string;
  readonly did: string;
  /** The head that the relay names. */
  readonly head: ChainHead;
  /** The asker's own last turn, and the seq of its last event; -1 for none. */
  readonly own: TurnRank & { readonly seq: number };
  /** How many rotates stand behind a key; undefined for a key that is not the agent's. */
  readonly rotationsOf: (key: string) => number | undefined;
}

/**
 * Reads from a relay the proof that the agent went on in a later turn: an event that is signed, as no relay can make it
 * up. Undefined where it shows none. Throws `relay-protocol`, `relay-unreachable`, `too-large`, or the signal's reason.
 */
export async function laterEventAt(
  question: LaterTurnQuestion,
  get: HttpGet,
  signal: AbortSignal,
): Promise<LaterEvent | undefined> {
  const { url, did, head, own } = question;
  let last: ParsedEvent | undefined;
  let label: string | undefined;
  const roots = new RootCache();
  // After the own events are the claim and who made it; where those are many, or the chain is shorter now, its end.
  for (const from of [own.seq + 1, Math.max(0, head.seq - BEFORE_HEAD)]) {
    const address = `${httpUrlOf(url)}/agents/${did}/entries?from=${Math.min(from, head.seq)}`;
    const { status, body } = await get(address, { maxBytes: MAX_ANSWER_BYTES, signal });
    if (status !== 200) continue;
    for (const event of eventsIn(url, body).filter((one) => isLater(one, question, roots))) {
      if (last === undefined || event.event.seq >= last.event.seq) last = event;
      if (event.event.kind !== CLAIM_KIND) continue;
      const claim = event.event.body as { label?: unknown } | undefined;
      label = typeof claim?.label === "string" ? claim.label : undefined;
    }
    if (last?.id === head.id) break;
  }
  if (last === undefined) return undefined;
  const { epoch, seq, time } = last.event;
  return { epoch, seq, id: last.id, timeMs: time, ...(label === undefined ? {} : { label }) };
}

function isLater(parsed: ParsedEvent, { did, own, rotationsOf }: LaterTurnQuestion, roots: RootCache): boolean {
  const { event } = parsed;
  const rotations = rotationsOf(event.key);
  if (event.did !== did || rotations === undefined) return false;
  const isAfter = rotations === own.rotations ? event.epoch > own.epoch : rotations > own.rotations;
  return isAfter && verifyEventSignature(parsed, roots);
}

/** Lines that are no events are passed over: they prove nothing. */
function eventsIn(url: string, body: Uint8Array): ParsedEvent[] {
  let lines: readonly Uint8Array[];
  try {
    lines = readRelayFrame(body, { ...DEFAULT_LIMITS, maxFrameBytes: MAX_ANSWER_BYTES }).entries;
  } catch (cause) {
    throw new AntsError("relay-protocol", `${url}: its page of a chain cannot be read`, { cause, details: { url } });
  }
  return lines.flatMap((line) => {
    try {
      const entry = parseEntry(line.slice());
      return entry.type === "event" ? [entry] : [];
    } catch (error) {
      if (isAntsError(error)) return [];
      throw error;
    }
  });
}
