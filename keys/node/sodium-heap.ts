import sodium from "libsodium-wrappers-sumo";

/** Shorter secrets are not looked for: a few bytes may occur in the heap for other reasons. */
const MIN_WIPED_BYTES = 16;

/**
 * libsodium's wrappers copy every argument and result into the memory of their WebAssembly module and free it there
 * without clearing it. This overwrites the copies of these secrets, as far as the module shows its memory.
 */
export function wipeSodiumHeap(...secrets: readonly Uint8Array[]): void {
  const heap = (sodium as { libsodium?: { HEAPU8?: Uint8Array } }).libsodium?.HEAPU8;
  if (heap === undefined) return;
  const memory = Buffer.from(heap.buffer, heap.byteOffset, heap.length);
  for (const secret of secrets) {
    if (secret.length < MIN_WIPED_BYTES || secret.every((byte) => byte === 0)) continue;
    for (let at = memory.indexOf(secret); at >= 0; at = memory.indexOf(secret, at + secret.length)) {
      memory.fill(0, at, at + secret.length);
    }
  }
}
