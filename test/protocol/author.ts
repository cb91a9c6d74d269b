import { base64url, utf8 } from "../../keys/bytes.js";
import { canonicalBytes, canonicalize, type JsonObject } from "../../keys/canonical.js";
import { publicKeyFromSeed, sign } from "../../keys/ed25519/index.js";
import { createIdentity } from "../../keys/identity/create.js";
import { MerkleTree } from "../../keys/merkle/index.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { batchMessage, createBatch, type EventDraft, type SignedEvent } from "../../src/protocol/batch.js";
import { bodyHash, type ChainHead, eventId, type ParsedEvent, parseEvent } from "../../src/protocol/event.js";

/** An author whose keys, times and lines are the same in every run. */
export const seed = new Uint8Array(32).fill(7);
export const key = encodeMultikey(publicKeyFromSeed(seed));
export const timeMs = 1_790_000_000_000;
export const stream = "0123456789abcdef";
export const instance = "00112233aabbccdd";
export const url = "wss://relay.example";
export const genesis = createIdentity({
  signSeeds: [seed],
  agree: new Uint8Array(32).fill(9),
  recoveryKeys: [publicKeyFromSeed(new Uint8Array(32).fill(8))],
  escrow: new Uint8Array(32).fill(10),
  relays: [{ url, stream }],
  timeMs,
});
export const did = genesis.did;
export const otherDid = `did:ants:${"b".repeat(51)}a` as const;

/** Stands for the event before, where a test needs a place in a chain and no chain. */
export const before: ChainHead = { epoch: 1, seq: 40, id: "ab".repeat(32) };
export const claimBody = { instance, label: "laptop", identity: genesis.hash };

export function note(text: string, more: Partial<EventDraft> = {}): EventDraft {
  return { kind: "note", body: { text }, timeMs, ...more };
}

export function batch(drafts: readonly EventDraft[], after: ChainHead = before): SignedEvent[] {
  return createBatch({ did, seed, epoch: 1, after, drafts });
}

export function one(draft: EventDraft): SignedEvent {
  return batch([draft])[0]!;
}

export function parsed(events: readonly SignedEvent[]): ParsedEvent[] {
  return events.map((event) => parseEvent(utf8(event.line)));
}

/** Changes fields of an event (undefined removes one) and signs it anew, so that nothing but the change is wrong. */
export function resigned(event: SignedEvent, changes: Record<string, unknown>): Uint8Array {
  const whole = { ...event.event, ...changes } as Record<string, unknown>;
  for (const name of Object.keys(whole)) if (whole[name] === undefined) delete whole[name];
  const { id: _id, sig: _sig, proof: _proof, body, bodyHash: hash, salt: _salt, ...header } = whole;
  if (!("id" in changes)) {
    const content = typeof hash === "string" ? hash : bodyHash((body ?? {}) as JsonObject);
    whole.id = headerIsPlain(header) ? eventId(header as never, content) : "00".repeat(32);
  }
  if (!("sig" in changes) && typeof whole.id === "string" && /^[0-9a-f]{64}$/.test(whole.id)) {
    const root = MerkleTree.of([Uint8Array.from(whole.id.match(/../g)!, (byte) => Number.parseInt(byte, 16))]).root();
    whole.sig = base64url(sign(batchMessage(1, root), seed));
  }
  return canonicalBytes(whole);
}

/** eventId writes headers directly and asks for the fields of the grammar. */
function headerIsPlain(header: Record<string, unknown>): boolean {
  const lists = [header.to, header.tags];
  return lists.every((list) => list === undefined || Array.isArray(list));
}

export function lineOf(value: unknown): Uint8Array {
  return utf8(canonicalize(value));
}
