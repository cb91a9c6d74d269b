import { isUtf8 } from "node:buffer";

const MIN_DECODED = 8;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** The bytes of standard or URL-safe base64, with or without its padding; undefined where it is neither. */
export function fromBase64(token: string): Uint8Array | undefined {
  const bare = token.replace(/=+$/, "");
  if (bare.length % 4 === 1 || !/^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)$/.test(bare)) return undefined;
  return Buffer.from(bare, "base64");
}

/** The bytes of hexadecimal digits; undefined where it is none. */
export function fromHex(token: string): Uint8Array | undefined {
  return token.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(token) ? Buffer.from(token, "hex") : undefined;
}

/** The text that these bytes are, of at least 8 bytes: strict UTF-8 without control characters. */
export function printable(bytes: Uint8Array): string | undefined {
  if (bytes.length < MIN_DECODED || !isUtf8(bytes)) return undefined;
  const text = new TextDecoder().decode(bytes);
  return CONTROL.test(text) ? undefined : text;
}
