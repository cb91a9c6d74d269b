import sodium from "libsodium-wrappers-sumo";

/** Shorter secrets are not looked for: a few bytes may occur in the heap for other reasons. */
const MIN_WIPED_BYTES = 16;

/**
 * How far into the module's memory copies are looked for. Its allocator serves small blocks from the bottom, also after
 * Argon2id made the memory large; looking through all of it would cost 30 ms a secret.
 */
const SEARCHED_BYTES = 16 * 1024 * 1024;

/**
 * libsodium's wrappers copy every argument and result into the memory of their WebAssembly module and free it there
 * without clearing it. This overwrites the copies of these secrets, as far as the module shows its memory.
 */
export function wipeSodiumHeap(...secrets: readonly Uint8Array[]): void {
  const heap = (sodium as { libsodium?: { HEAPU8?: Uint8Array } }).libsodium?.HEAPU8;
  if (heap === undefined) return;
  const memory = Buffer.from(heap.buffer, heap.byteOffset, Math.min(heap.length, SEARCHED_BYTES));
  for (const secret of secrets) {
    if (secret.length < MIN_WIPED_BYTES || secret.every((byte) => byte === 0)) continue;
    for (let at = memory.indexOf(secret); at >= 0; at = memory.indexOf(secret, at + secret.length)) {
      memory.fill(0, at, at + secret.length);
    }
  }
}
