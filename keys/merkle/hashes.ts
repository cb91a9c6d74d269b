import { sha256 } from "#platform";

/** Bytes of every hash in a tree. */
export const HASH_BYTES = 32;

const LEAF_PREFIX = Uint8Array.of(0x00);

/** The root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1). Never written to. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

/** SHA-256(0x00 ‖ data): the hash of a leaf, 32 bytes (RFC 6962 section 2.1). */
export function leafHash(data: Uint8Array): Uint8Array {
  return sha256(LEAF_PREFIX, data);
}

// One buffer for all nodes: the hash function reads it before this thread can do anything else.
const node = new Uint8Array(1 + 2 * HASH_BYTES);
node[0] = 0x01;

/** SHA-256(0x01 ‖ left ‖ right): the hash of an inner node, 32 bytes. Both children are 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/** Is this something that can stand for a hash in a tree? */
export function isHash(bytes: unknown): bytes is Uint8Array {
  return bytes instanceof Uint8Array && bytes.length === HASH_BYTES;
}
