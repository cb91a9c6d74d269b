/**
 * Keys of the index's tables. Numbers are big-endian, so that keys sort as numbers do; positions are 6 bytes (2^48
 * entries, at 40,000 a second, take 220 years).
 */
const MAX_POSITION = 2 ** 48 - 1;
/** Longer than a position, so greater than all of them. */
const END = Buffer.alloc(7, 0xff);

/**
 * What an agent's rows in the `agents` table are, in key order: its newest page of events, its record and its newest
 * postings lie side by side, so that one publish dirties one page of the database.
 */
const AGENT_EVENTS = 1;
const AGENT_RECORD = 2;
const AGENT_POSTINGS = 3;

/** The page of an agent's events that begins at seq `bucket` × 16. */
export function eventsKey(agentNo: number, bucket: number): Buffer {
  const key = Buffer.allocUnsafe(11);
  key.writeUInt32BE(agentNo, 0);
  key[4] = AGENT_EVENTS;
  key.writeUIntBE(bucket, 5, 6);
  return key;
}

export function recordKey(agentNo: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key.writeUInt32BE(agentNo, 0);
  key[4] = AGENT_RECORD;
  return key;
}

/** What every key of an agent's postings begins with. */
export function agentPostings(agentNo: number): Buffer {
  const prefix = Buffer.allocUnsafe(5);
  prefix.writeUInt32BE(agentNo, 0);
  prefix[4] = AGENT_POSTINGS;
  return prefix;
}

/** Fields that terms are made of. */
export type TermField = "type" | "kind" | "to" | "tag";
const FIELD_BYTE: Readonly<Record<TermField, number>> = { type: 1, kind: 2, to: 3, tag: 4 };

/** What every key of a term's postings begins with. The length in front keeps one term from being the start of another. */
export function termPostings(field: TermField, value: string): Buffer {
  const text = Buffer.from(value, "utf8");
  const prefix = Buffer.allocUnsafe(3 + text.length);
  prefix[0] = FIELD_BYTE[field];
  prefix.writeUInt16BE(text.length, 1);
  text.copy(prefix, 3);
  return prefix;
}

/** The key of the posting block whose first position this is. Newer blocks sort first: see {@link AGENT_POSTINGS}. */
export function blockKey(prefix: Buffer, first: number): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + 6);
  prefix.copy(key);
  key.writeUIntBE(MAX_POSITION - first, prefix.length, 6);
  return key;
}

/** Greater than every {@link blockKey} of this prefix. */
export function endOfBlocks(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, END]);
}

/** The first position in a {@link blockKey}. */
export function firstOfBlockKey(key: Uint8Array): number {
  const buffer = Buffer.from(key.buffer, key.byteOffset, key.length);
  return MAX_POSITION - buffer.readUIntBE(key.length - 6, 6);
}

/** Rows of the `facts` table by what they tell. */
export const FACT = {
  /** did → agent number */
  did: 1,
  /** name, 0, agent number → nothing */
  name: 2,
  /** entry id → position; identity operations, promises, foreign events */
  id: 3,
  /** agent, seq, epoch → nothing: several events hold this place */
  fork: 4,
  /** agent, prev, position → a foreign event as JSON */
  foreign: 5,
  /** agent, seq, ordinal → record of an event that its page had no room for; see spilled-events.ts */
  spill: 6,
  /** agent, seq → how many such events */
  spillCount: 7,
  /** agent, seq, id → ordinal */
  spillId: 8,
  /** agent, seq, epoch, ordinal → nothing */
  spillEpoch: 9,
  /** agent, seq → ordinal of the one that is on the chain */
  spillChain: 10,
  /** handle → its hold as JSON; see handle-holds.ts */
  handle: 11,
  /** did, 0, host, 0, name → nothing: the handle is with this agent */
  handleOf: 12,
  /** domain, 0, position → number of the agent whose operation there lists it */
  listing: 13,
} as const;

/** A key of the `facts` table: the fact, then its parts; numbers are [value, bytes]. */
export function factKey(
  fact: number,
  ...parts: readonly (readonly [value: number, bytes: number] | Uint8Array)[]
): Buffer {
  let length = 1;
  for (const part of parts) length += part instanceof Uint8Array ? part.length : part[1];
  const key = Buffer.allocUnsafe(length);
  key[0] = fact;
  let at = 1;
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      key.set(part, at);
      at += part.length;
    } else {
      key.writeUIntBE(part[0], at, part[1]);
      at += part[1];
    }
  }
  return key;
}
