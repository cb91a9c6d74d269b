/** How files begin whose content is dense by nature: pictures, sounds, archives, fonts, programs, databases. */
const MAGIC: readonly { readonly at: number; readonly bytes: string }[] = [
  { at: 0, bytes: "\x89PNG\r\n\x1a\n" },
  { at: 0, bytes: "\xff\xd8\xff" },
  { at: 0, bytes: "GIF8" },
  { at: 0, bytes: "RIFF" },
  { at: 0, bytes: "%PDF-" },
  { at: 0, bytes: "PK\x03\x04" },
  { at: 0, bytes: "PK\x05\x06" },
  { at: 0, bytes: "\x1f\x8b\x08" },
  { at: 0, bytes: "BZh" },
  { at: 0, bytes: "\xfd7zXZ\x00" },
  { at: 0, bytes: "\x28\xb5\x2f\xfd" },
  { at: 0, bytes: "7z\xbc\xaf\x27\x1c" },
  { at: 0, bytes: "SQLite format 3\x00" },
  { at: 0, bytes: "\x7fELF" },
  { at: 0, bytes: "\x00asm" },
  { at: 0, bytes: "OggS" },
  { at: 0, bytes: "fLaC" },
  { at: 0, bytes: "ID3" },
  { at: 4, bytes: "ftyp" },
  { at: 0, bytes: "\x1a\x45\xdf\xa3" },
  { at: 0, bytes: "wOFF" },
  { at: 0, bytes: "wOF2" },
  { at: 0, bytes: "\x00\x01\x00\x00\x00" },
  { at: 0, bytes: "OTTO" },
  { at: 0, bytes: "\xca\xfe\xba\xbe" },
  { at: 0, bytes: "\x93NUMPY" },
  { at: 0, bytes: "PAR1" },
  { at: 0, bytes: "DIRC" },
  { at: 0, bytes: "PACK\x00" },
  { at: 0, bytes: "\xfftOc" },
  { at: 0, bytes: "age-encryption.org/v1\n" },
  { at: 257, bytes: "ustar" },
];

const MIN_REGION = 16;
/** Bytes of text that may lie within a region: a drawn byte is a printable one every third time. */
const GAP = 10;
const MIN_DENSITY = 0.4;
const MIN_STRANGE = 8;
const MIN_CONTROLS = 2;
const WINDOW = 16;
/** Of 16 drawn bytes 15.5 differ on average; records and tables repeat themselves. */
const MIN_DISTINCT = 14;

/** Does it begin as a kind of file that is dense without being secret? */
export function hasKnownMagic(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString("latin1");
  return MAGIC.some((magic) => head.startsWith(magic.bytes, magic.at));
}

/**
 * The first stretch of bytes that are neither text nor a table: 16 and more, hardly one of them twice, control
 * characters and high bytes among them. So a raw key is found by itself, in a text and in a file of zeros. A picture or an
 * archive is such a stretch from end to end: don't ask. Undefined where there is none.
 */
export function rawBytes(bytes: Uint8Array): readonly [start: number, end: number] | undefined {
  let start = -1;
  let last = -1;
  for (let i = 0; i < bytes.length; ) {
    const letter = letterLength(bytes, i);
    if (letter === 0) {
      if (start >= 0 && i - last > GAP) {
        if (looksDrawn(bytes.subarray(start, last + 1))) return [start, last + 1];
        start = -1;
      }
      if (start < 0) start = i;
      last = i;
    }
    i += letter || 1;
  }
  return start >= 0 && looksDrawn(bytes.subarray(start, last + 1)) ? [start, last + 1] : undefined;
}

/** How many bytes the letter at `at` has in UTF-8 (overlong forms aside); 0 for a byte that is none, or a control. */
function letterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return isStrange(first) ? 0 : 1;
  const length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  return first < 0xf5 ? length : 0;
}

function isStrange(byte: number): boolean {
  return byte >= 0x80 || (byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || byte === 0x7f;
}

function looksDrawn(region: Uint8Array): boolean {
  if (region.length < MIN_REGION) return false;
  for (let at = 0; at + WINDOW <= region.length; at += WINDOW / 2) {
    const window = region.subarray(at, at + WINDOW);
    const strange = window.filter(isStrange);
    const controls = strange.filter((byte) => byte < 0x20 || (byte >= 0x7f && byte < 0xa0)).length;
    if (
      strange.length >= Math.max(MIN_STRANGE, WINDOW * MIN_DENSITY) &&
      controls >= MIN_CONTROLS &&
      new Set(window).size >= MIN_DISTINCT
    )
      return true;
  }
  return false;
}
