import { equalBytes, fromBase64url, fromHex, fromUtf8, hex } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { leafHash } from "../../keys/merkle/hashes.js";
import { verifyConsistency, verifyInclusion } from "../../keys/merkle/proof.js";
import { verifyCheckpoint } from "../protocol/checkpoint.js";
import { httpUrlOf } from "../protocol/relay-url.js";
import { relayProtocol } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import type { LogPlace } from "./log-check.js";
import type { ClientPorts } from "./ports.js";

interface SignedHead {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

/** A proof has at most 53 hashes. */
const MAX_PROOF_BYTES = 64 * 1024;
const PROOF_TIMEOUT_MS = 10_000;

export interface ProofCheckOptions {
  readonly relay: { readonly url: string; readonly stream: string; readonly key: string };
  readonly ports: ClientPorts;
  readonly signal: AbortSignal;
  /** The signed head that was verified last, from before a restart. */
  readonly checkpoint?: string;
}

/**
 * What a reader of a part of a log, or from its middle, asks a relay to prove: that each signed head continues the one
 * before (consistency), and that what it served is in the tree that it signed (inclusion). By HTTP; a relay whose
 * proofs cannot be fetched just now is asked again with its next head.
 */
export class ProofCheck {
  readonly #options: ProofCheckOptions;
  #head: SignedHead | undefined;

  constructor(options: ProofCheckOptions) {
    this.#options = options;
    if (options.checkpoint !== undefined) this.#head = this.#read(options.checkpoint);
  }

  /** The size of the tree that is proven so far. */
  get size(): number {
    return this.#head?.size ?? 0;
  }

  /** The newest signed head that is proven to continue all before it. */
  get checkpoint(): string | undefined {
    return this.#head?.note;
  }

  /**
   * Takes in a signed head, and proves the places given under it; those above its size are given back.
   * Throws `relay-rewrote` for a proof that fails (details: both signed heads), `note-signature` and the like, or
   * `relay-protocol` for an answer that is no proof, or `relay-unreachable` where none could be had: then nothing was
   * taken in.
   */
  async head(note: string, places: readonly LogPlace[]): Promise<readonly LogPlace[]> {
    const head = this.#read(note);
    const before = this.#head;
    if (before !== undefined && head.size >= before.size) await this.#requireConsistent(before, head);
    if (before !== undefined && head.size < before.size) return places;
    for (const place of places) if (place.at <= head.size) await this.#requireIncluded(place, head);
    this.#head = head;
    return places.filter(({ at }) => at > head.size);
  }

  async #requireConsistent(before: SignedHead, head: SignedHead): Promise<void> {
    if (before.size === 0) return;
    if (before.size === head.size) {
      if (equalBytes(before.root, head.root)) return;
      throw this.#rewrote(head.size, "it signed two trees of one size", before, head);
    }
    const { proof } = await this.#get(`/consistency?from=${before.size}&to=${head.size}`);
    const claim = { size1: before.size, root1: before.root, size2: head.size, root2: head.root };
    if (verifyConsistency({ ...claim, proof: hashesOf(proof) })) return;
    throw this.#rewrote(head.size, "the new signed head does not continue the one before", before, head);
  }

  async #requireIncluded({ at, id }: LogPlace, head: SignedHead): Promise<void> {
    const { path } = await this.#get(`/inclusion?at=${at}&size=${head.size}`);
    const leaf = leafHash(fromHex(id));
    if (verifyInclusion({ leaf, index: at - 1, size: head.size, path: hashesOf(path), root: head.root })) return;
    throw this.#rewrote(at, `entry ${id}, which it served there, is not in the tree that it signed`, undefined, head);
  }

  async #get(path: string): Promise<Record<string, unknown>> {
    const { relay, ports, signal } = this.#options;
    const url = `${httpUrlOf(relay.url)}${path}`;
    const late = () => unreachable(url, `no answer within ${PROOF_TIMEOUT_MS} ms`);
    const answer = await withDeadline(ports.clock, PROOF_TIMEOUT_MS, signal, late, (signal) =>
      ports.get(url, { maxBytes: MAX_PROOF_BYTES, signal }),
    ).catch((error: unknown) => {
      throw isAntsError(error, "too-large") ? relayProtocol(url, `is no proof: ${error.message}`, error) : error;
    });
    if (answer.status !== 200) throw unreachable(url, `HTTP ${answer.status}`);
    let proof: unknown;
    try {
      proof = JSON.parse(fromUtf8(answer.body));
    } catch (cause) {
      throw relayProtocol(url, "is no proof: the answer is no JSON", cause);
    }
    if (typeof proof === "object" && proof !== null) return proof as Record<string, unknown>;
    throw relayProtocol(url, "is no proof: the answer is no object");
  }

  #read(note: string): SignedHead {
    const { key, stream } = this.#options.relay;
    const { size, root } = verifyCheckpoint(note, { key, stream });
    return { size, root, note };
  }

  #rewrote(position: number, how: string, before: SignedHead | undefined, head: SignedHead): AntsError {
    const { url, stream } = this.#options.relay;
    const details = {
      url,
      stream,
      position,
      otherCheckpoint: head.note,
      ...(before === undefined ? {} : { checkpoint: before.note }),
    };
    const message = `${url} shows another history at position ${position}: ${how} (root ${hex(head.root)})`;
    return new AntsError("relay-rewrote", message, { details });
  }
}

/** Hashes of a proof; [] for anything else, which then proves nothing. */
function hashesOf(value: unknown): Uint8Array[] {
  if (!Array.isArray(value)) return [];
  try {
    return value.map((hash) => fromBase64url(String(hash), 32));
  } catch (error) {
    if (isAntsError(error)) return [];
    throw error;
  }
}

function unreachable(url: string, why: string, cause?: unknown): AntsError {
  return new AntsError("relay-unreachable", `cannot read the proof ${url}: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { url },
  });
}
