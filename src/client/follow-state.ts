import { isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { FrontierJson } from "../../keys/merkle/frontier.js";
import { parseCursor } from "../protocol/cursor.js";
import type { ChainHead } from "../protocol/event.js";
import { HASH, HEX16, isInteger, isText } from "../protocol/grammar.js";

/** How far one relay was read, and what it must stand by from now on. */
export interface RelayState {
  readonly stream: string;
  /** Everything up to here was given out, or is listed in `delivered` of the others. */
  readonly cursor: string;
  /** The Multikey that signs its tree heads. */
  readonly key: string;
  /** The tree at the cursor, where everything before it was read: whoever has it notices every change. */
  readonly frontier?: FrontierJson;
  /** The newest signed head that was verified: evidence, should the relay ever show another history. */
  readonly checkpoint?: string;
  /** The last event of each author that this relay showed. */
  readonly authors?: Readonly<Record<string, ChainHead>>;
}

/** An agent that is followed wherever it is. */
export interface AgentState {
  /** Its identity operations as far as they are known, each after its parent. */
  readonly operations: readonly string[];
  /** The last event on its chain that was given out. */
  readonly tip?: ChainHead;
}

/**
 * All that a follow needs to go on where it was: plain JSON. Store it together with what you did with the items (one
 * transaction, or one file), and each event is processed exactly once; store it afterwards, and after a crash some come
 * again.
 */
export interface FollowState {
  readonly v: 1;
  /** By URL. */
  readonly relays: Readonly<Record<string, RelayState>>;
  /** Ids that were given out and that a relay (by URL) has not shown yet. */
  readonly delivered: Readonly<Record<string, readonly string[]>>;
  /** By DID: where a restart finds the agents again, whatever became of the relays that they had. */
  readonly agents?: Readonly<Record<string, AgentState>>;
}

export const EMPTY_STATE: FollowState = Object.freeze({ v: 1, relays: {}, delivered: {} });

/** Reads a state that was stored as JSON. Throws `follow-state` (details: field). */
export function parseFollowState(value: unknown): FollowState {
  const state = objectOf("state", value);
  if (state.v !== 1) throw bad("v", "1");
  const relays: Record<string, RelayState> = {};
  for (const [url, relay] of Object.entries(objectOf("relays", state.relays))) relays[url] = relayState(url, relay);
  const delivered: Record<string, readonly string[]> = {};
  for (const [url, ids] of Object.entries(objectOf("delivered", state.delivered))) {
    if (!Array.isArray(ids) || !ids.every((id) => isText(id, HASH))) throw bad(`delivered.${url}`, "event ids");
    delivered[url] = ids;
  }
  if (state.agents === undefined) return { v: 1, relays, delivered };
  const agents: Record<string, AgentState> = {};
  for (const [did, agent] of Object.entries(objectOf("agents", state.agents))) agents[did] = agentState(did, agent);
  return { v: 1, relays, delivered, agents };
}

function agentState(did: string, value: unknown): AgentState {
  const { operations, tip } = objectOf(`agents.${did}`, value);
  if (!isDid(did)) throw bad("agents", "DIDs");
  if (!Array.isArray(operations) || !operations.every((line) => typeof line === "string")) {
    throw bad(`agents.${did}.operations`, "lines");
  }
  return { operations, ...(tip === undefined ? {} : { tip: headOf(`agents.${did}.tip`, tip) }) };
}

function headOf(field: string, value: unknown): ChainHead {
  const { epoch, seq, id } = objectOf(field, value);
  if (!isInteger(epoch, 1) || !isInteger(seq, 0) || !isText(id, HASH)) throw bad(field, "an event");
  return { epoch, seq, id };
}

function relayState(url: string, value: unknown): RelayState {
  const field = (name: string) => `relays.${url}.${name}`;
  const { stream, cursor, key, frontier, checkpoint, authors } = objectOf(`relays.${url}`, value);
  if (!isText(stream, HEX16)) throw bad(field("stream"), "16 hex digits");
  if (typeof cursor !== "string" || parseCursor(cursor).stream !== stream) throw bad(field("cursor"), "its cursor");
  if (typeof key !== "string") throw bad(field("key"), "a Multikey");
  if (checkpoint !== undefined && typeof checkpoint !== "string") throw bad(field("checkpoint"), "a signed note");
  for (const [did, head] of Object.entries(objectOf(field("authors"), authors ?? {}))) {
    headOf(field(`authors.${did}`), head);
  }
  return {
    stream,
    cursor,
    key,
    ...(frontier === undefined ? {} : { frontier: frontier as FrontierJson }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(authors === undefined ? {} : { authors: authors as Record<string, ChainHead> }),
  };
}

function objectOf(field: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw bad(field, "an object");
}

function bad(field: string, expected: string): AntsError {
  return new AntsError("follow-state", `the stored state of a follow: ${field} should be ${expected}`, {
    hint: "begin anew with after: start, or restore the state from a copy",
    details: { field, expected },
  });
}
