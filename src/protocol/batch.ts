/**
 * Batch signatures: one Ed25519 signature over the RFC 6962 root of a publish batch's ids. Each event verifies alone
 * (path to root, then the signature); who verifies many of one batch pays one signature check and about two hashes an
 * event (docs/protocol.md, Batch signature).
 */
import { base64url, concat, equalBytes, fromBase64url, fromHex, utf8 } from "../../keys/bytes.js";
import { canonicalize, type JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { publicKeyFromSeed, sign, verifyStrict } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { leafHash, nodeHash } from "../../keys/merkle/hashes.js";
import { MerkleTree } from "../../keys/merkle/tree.js";
import { decodeMultikey, encodeMultikey } from "../../keys/multikey.js";
import { type Random, systemRandom } from "../../keys/ports.js";
import { TAG } from "../../keys/tags.js";
import {
  bodyHash,
  type ChainHead,
  type Event,
  type EventHeader,
  encodeSalt,
  eventId,
  type ParsedEvent,
  parseEvent,
} from "./event.js";
import { MAX_BATCH_EVENTS, MAX_LINE_BYTES, SALT_BYTES } from "./limits.js";

/** What an author decides about one event; place, id and signature come from the batch. */
export interface EventDraft {
  readonly kind: string;
  readonly body: JsonObject;
  readonly to?: readonly string[];
  readonly tags?: readonly string[];
  /** The author's clock, milliseconds since 1970. */
  readonly timeMs: number;
  /** true draws 16 random bytes; for public bodies that could be guessed after they are forgotten. */
  readonly salt?: boolean | Uint8Array;
}

export interface SignedEvent {
  /** The canonical line, without a newline. */
  readonly line: string;
  readonly event: Event;
  readonly id: string;
}

export interface BatchInput {
  readonly did: Did;
  /** The 32-byte seed of the sign key. */
  readonly seed: Uint8Array;
  readonly epoch: number;
  /** The event that this batch follows; absent when its first event is seq 0. */
  readonly after?: ChainHead;
  readonly drafts: readonly EventDraft[];
  readonly random?: Random;
}

/**
 * Signs 1 to 256 events that follow each other, as one batch. Every line is read back with {@link parseEvent} before
 * it is returned, so what this gives is what others accept.
 * Throws `batch-size`, `event-too-long`, and what parseEvent throws for a draft that breaks the grammar.
 */
export function createBatch(input: BatchInput): SignedEvent[] {
  const { did, seed, epoch, after, drafts, random = systemRandom } = input;
  if (drafts.length === 0 || drafts.length > MAX_BATCH_EVENTS) {
    throw new AntsError("batch-size", `a batch has 1 to ${MAX_BATCH_EVENTS} events, not ${drafts.length}`);
  }
  const key = encodeMultikey(publicKeyFromSeed(seed));
  let seq = after === undefined ? 0 : after.seq + 1;
  let prev = after?.id;
  const unsigned = drafts.map((draft) => {
    const header: EventHeader = {
      type: "event",
      v: 1,
      did,
      epoch,
      seq,
      ...(prev === undefined ? {} : { prev }),
      time: draft.timeMs,
      kind: draft.kind,
      ...(draft.to === undefined || draft.to.length === 0 ? {} : { to: draft.to }),
      ...(draft.tags === undefined || draft.tags.length === 0 ? {} : { tags: draft.tags }),
      key,
    };
    const salt = saltOf(draft.salt, random);
    const id = eventId(header, bodyHash(draft.body, salt));
    seq += 1;
    prev = id;
    return { ...header, body: draft.body, id, ...(salt === undefined ? {} : { salt: encodeSalt(salt) }) };
  });
  const size = unsigned.length;
  const tree = MerkleTree.of(unsigned.map((event) => fromHex(event.id)));
  const sig = base64url(sign(batchMessage(size, tree.root()), seed));
  return unsigned.map((event, index) => {
    const proof = { index, size, path: tree.inclusionPath(index).map(base64url) };
    return signedEvent({ ...event, sig, ...(size === 1 ? {} : { proof }) });
  });
}

/** The bytes that a batch signature signs: "ants/batch/1\n" ‖ size as decimal ‖ "\n" ‖ 32 raw root bytes. */
export function batchMessage(size: number, root: Uint8Array): Uint8Array {
  return concat(utf8(`${TAG.batch}${size}\n`), root);
}

interface ProvenNode {
  readonly hash: Uint8Array;
  /** The hash as base64url; filled in when first needed. */
  text: string | undefined;
}

type PlacedNode = readonly [place: number, node: ProvenNode];

/** A verified batch: the nodes that are proven to be in it, by level × 256 + index. */
interface ProvenBatch {
  readonly key: string;
  readonly size: number;
  readonly nodes: Map<number, ProvenNode>;
}

/** Some 130 batches of 64, about 4 MB: more only makes the garbage collector work. */
const DEFAULT_MAX_NODES = 16_384;

/**
 * Remembers verified batch roots and the tree nodes proven under them, the oldest batch forgotten first. It only
 * saves work: with and without it the same events verify.
 */
export class RootCache {
  /** By signature: one that verifies signs one key's one root. */
  readonly #batches = new Map<string, ProvenBatch>();
  readonly #maxNodes: number;
  #nodes = 0;

  constructor(maxNodes: number = DEFAULT_MAX_NODES) {
    this.#maxNodes = maxNodes;
  }

  /** Batches remembered now. */
  get batches(): number {
    return this.#batches.size;
  }

  /** Nodes remembered now; never more than the bound. */
  get nodes(): number {
    return this.#nodes;
  }

  /** @internal */
  find(event: Event, size: number): ProvenBatch | undefined {
    const batch = this.#batches.get(event.sig);
    return batch !== undefined && batch.key === event.key && batch.size === size ? batch : undefined;
  }

  /** @internal Remembers a batch whose root was verified; `path` holds every node and sibling from leaf to root. */
  remember(event: Event, size: number, path: readonly PlacedNode[]): void {
    const batch: ProvenBatch = { key: event.key, size, nodes: new Map() };
    this.#nodes -= this.#batches.get(event.sig)?.nodes.size ?? 0;
    this.#batches.set(event.sig, batch);
    this.extend(batch, path);
  }

  /** @internal Adds nodes below one that is proven. */
  extend(batch: ProvenBatch, path: readonly PlacedNode[]): void {
    const before = batch.nodes.size;
    for (const [place, node] of path) if (!batch.nodes.has(place)) batch.nodes.set(place, node);
    this.#nodes += batch.nodes.size - before;
    for (const [sig, oldest] of this.#batches) {
      if (this.#nodes <= this.#maxNodes) break;
      this.#batches.delete(sig);
      this.#nodes -= oldest.nodes.size;
    }
  }
}

/** True when the event's signature is valid under the key that it names. Whether that key may sign is another matter. */
export function verifyEventSignature(parsed: ParsedEvent, roots: RootCache = new RootCache()): boolean {
  return verifyOne(parsed, roots, undefined);
}

/**
 * Verifies the signatures of many events, of any mix of batches; answer i is for event i. Give the same cache to
 * later calls where batches are spread over several frames.
 */
export function verifyBatch(parsed: readonly ParsedEvent[], roots: RootCache = new RootCache()): boolean[] {
  const refusedRoots = new Set<string>();
  return parsed.map((event) => verifyOne(event, roots, refusedRoots));
}

/** `refusedRoots` spares the signature check for roots that this call saw fail; it is never kept. */
function verifyOne(parsed: ParsedEvent, roots: RootCache, refusedRoots: Set<string> | undefined): boolean {
  const { event } = parsed;
  const { key, sig, proof } = event;
  let hash = leafHash(parsed.idBytes);
  if (proof === undefined) return verifyRoot(key, sig, 1, hash);
  const batch = roots.find(event, proof.size);
  const path: PlacedNode[] = [];
  let used = 0;
  for (let at = firstStep(proof.index, proof.size); at.last > 0; at = stepUp(at)) {
    const place = placeOf(at);
    const known = batch?.nodes.get(place);
    if (known !== undefined) {
      if (!equalBytes(known.hash, hash) || !restMatches(batch!, at, proof.path, used)) return false;
      roots.extend(batch!, path);
      return true;
    }
    const text = proof.path[used++]!;
    const sibling = fromBase64url(text, 32);
    path.push([place, { hash, text: undefined }], [place ^ 1, { hash: sibling, text }]);
    hash = (at.index & 1) === 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
  }
  const root = refusedRoots === undefined ? "" : `${key} ${proof.size} ${sig} ${base64url(hash)}`;
  if (refusedRoots?.has(root)) return false;
  if (!verifyRoot(key, sig, proof.size, hash)) {
    refusedRoots?.add(root);
    return false;
  }
  roots.remember(event, proof.size, path);
  return true;
}

/** A node on the way from a leaf to the root: its level, its index there, and the level's last index. */
interface Step {
  readonly level: number;
  readonly index: number;
  readonly last: number;
}

function firstStep(index: number, size: number): Step {
  return risen(0, index, size - 1);
}

function stepUp(step: Step): Step {
  return risen(step.level + 1, step.index >> 1, step.last >> 1);
}

/** A last node without a sibling is its own parent (RFC 6962): it stands at the level where it is first combined. */
function risen(level: number, index: number, last: number): Step {
  while (last > 0 && index === last && (index & 1) === 0) {
    level += 1;
    index >>= 1;
    last >>= 1;
  }
  return { level, index, last };
}

/** Names a node within its batch; its sibling's name differs in the lowest bit. */
function placeOf(step: Step): number {
  return step.level * MAX_BATCH_EVENTS + step.index;
}

/**
 * A proven node settles the signature, but the rest of the path must be right as well, or a line with a broken proof
 * would be stored that verifies here and nowhere else. All siblings above a proven node are proven too.
 */
function restMatches(batch: ProvenBatch, from: Step, path: readonly string[], used: number): boolean {
  for (let at = from; at.last > 0; at = stepUp(at)) {
    const sibling = batch.nodes.get(placeOf(at) ^ 1);
    if (sibling === undefined) return false;
    sibling.text ??= base64url(sibling.hash);
    if (sibling.text !== path[used++]) return false;
  }
  return true;
}

function verifyRoot(key: string, sig: string, size: number, root: Uint8Array): boolean {
  return verifyStrict(fromBase64url(sig, 64), batchMessage(size, root), decodeMultikey(key).publicKey);
}

function saltOf(salt: boolean | Uint8Array | undefined, random: Random): Uint8Array | undefined {
  if (salt === undefined || salt === false) return undefined;
  if (salt === true) return random.bytes(SALT_BYTES);
  if (salt.length === SALT_BYTES) return salt;
  throw new AntsError("event-grammar", `a salt has ${SALT_BYTES} bytes, not ${salt.length}`);
}

function signedEvent(event: Event): SignedEvent {
  const line = canonicalize(event);
  const bytes = utf8(line);
  if (bytes.length > MAX_LINE_BYTES) {
    throw new AntsError("event-too-long", `an event's line has at most ${MAX_LINE_BYTES} bytes, not ${bytes.length}`, {
      hint: "split the body, or keep the bulk elsewhere and publish its hash",
      details: { limit: "maxLineBytes", value: MAX_LINE_BYTES, bytes: bytes.length },
    });
  }
  return { line, event: parseEvent(bytes).event, id: event.id };
}
