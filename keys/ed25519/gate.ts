/** L, the order of the base point, little endian (RFC 8032 section 5.1): 2^252 + 27742317777372353535851937790883648493. */
const ORDER = Uint8Array.from([
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0x10,
]);

/**
 * The y coordinates of the eight points whose order divides 8, little endian, without the sign bit. Two points share
 * each of the first, fourth and fifth; of the second and third the x is 0, so these cover the encodings of x = 0 with
 * the sign bit set as well.
 */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  littleEndian("0000000000000000000000000000000000000000000000000000000000000000"),
  littleEndian("0000000000000000000000000000000000000000000000000000000000000001"),
  littleEndian("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"),
  littleEndian("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826"),
  littleEndian("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7"),
];

function littleEndian(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!.reverse(), (pair) => Number.parseInt(pair, 16));
}

/**
 * The byte checks of the acceptance rule (protocol.md, "One Ed25519 acceptance rule"): a 64-byte signature, a 32-byte
 * key, S < L, A and R canonical (y < p, no sign bit on x = 0) and not of small order. What remains afterwards is one
 * equation, on which libsodium, OpenSSL and dalek's verify_strict agree. Never throws, whatever it is given.
 */
export function passesGate(signature: Uint8Array, publicKey: Uint8Array): boolean {
  return (
    signature instanceof Uint8Array &&
    publicKey instanceof Uint8Array &&
    signature.length === 64 &&
    publicKey.length === 32 &&
    isBelowOrder(signature) &&
    isSoundPoint(publicKey) &&
    isSoundPoint(signature)
  );
}

/** S, the second half of the signature, against L, from the highest byte down. */
function isBelowOrder(signature: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = signature[32 + i]! - ORDER[i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** The first 32 bytes as an encoded point: canonical, and not one of the eight of small order. */
function isSoundPoint(bytes: Uint8Array): boolean {
  if (isAboveField(bytes)) return false;
  for (const y of SMALL_ORDER_Y) {
    if (hasY(bytes, y)) return false;
  }
  return true;
}

/** y ≥ p = 2^255 − 19: all bits above the lowest byte set, and that byte at least 0xed. */
function isAboveField(bytes: Uint8Array): boolean {
  if ((bytes[31]! & 0x7f) !== 0x7f || bytes[0]! < 0xed) return false;
  for (let i = 1; i < 31; i++) {
    if (bytes[i] !== 0xff) return false;
  }
  return true;
}

function hasY(bytes: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < 31; i++) {
    if (bytes[i] !== y[i]) return false;
  }
  return (bytes[31]! & 0x7f) === y[31];
}
