import { etc, Point } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";

/** One question to `verifyStrict`, with the answer that the acceptance rule gives. */
export interface EdgeCase {
  name: string;
  signature: Uint8Array;
  message: Uint8Array;
  publicKey: Uint8Array;
  accepted: boolean;
  /**
   * Does the equation itself hold, so that nothing but the rule's other checks refuses it? `cofactorless`:
   * [S]B = R + [k]A; `cofactored`: only after multiplying by 8; `none`: neither.
   */
  equation: "cofactorless" | "cofactored" | "none";
}

const { p: P, n: L } = Point.CURVE();
const SECRET = 0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcden % L;
const NONCE = 0x0fedcba987654321fedcba9876543210fedcba9876543210fedcba98765432n;
const A = Point.BASE.multiply(SECRET);
/** A point of order 8: its multiples are the eight points of small order. */
const T8 = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");

/** All of them, made from scratch: needs no files, and no randomness. */
export function edgeCases(): EdgeCase[] {
  return [
    ...validSignatures(),
    ...smallOrderKeys(),
    ...smallOrderNonces(),
    ...scalarsOutOfRange(),
    ...nonCanonicalEncodings(),
    ...mixedOrderPoints(),
    ...malformed(),
  ];
}

/** The eight points whose order divides 8, the identity first. */
export function torsionPoints(): Point[] {
  return Array.from({ length: 8 }, (_, j) => torsion(j));
}

/**
 * Every encoding of a point with y ≥ p or with a sign bit on x = 0 that decoders without checks would take, each with
 * the canonical encoding of the same point.
 */
export function nonCanonicalPoints(): { encoded: Uint8Array; canonical: Uint8Array }[] {
  const points: { encoded: Uint8Array; canonical: Uint8Array }[] = [];
  // y + p fits into 255 bits for y = 0 … 18 only.
  for (let y = 0n; y < 19n; y++) {
    for (const sign of [0n, 1n]) {
      const canonical = encodeY(y, sign);
      if (isPoint(canonical)) points.push({ encoded: encodeY(y + P, sign), canonical });
    }
  }
  points.push({ encoded: encodeY(1n, 1n), canonical: encodeY(1n, 0n) });
  points.push({ encoded: encodeY(P + 1n, 1n), canonical: encodeY(1n, 0n) });
  points.push({ encoded: encodeY(P - 1n, 1n), canonical: encodeY(P - 1n, 0n) });
  return points;
}

function validSignatures(): EdgeCase[] {
  return [0, 1, 63, 64, 65, 1000].map((length) => {
    const message = new Uint8Array(length).fill(length);
    return { name: `a valid signature over ${length} bytes`, ...signed(message), accepted: true, ...holds };
  });
}

const holds = { equation: "cofactorless" } as const;

/** [k]A is one of eight points, so a message can be searched for which any R and S fit: such a key signs everything. */
function smallOrderKeys(): EdgeCase[] {
  const encodings = [...torsionPoints().map((point) => point.toBytes()), ...nonCanonicalSmallOrder()];
  return encodings.map((publicKey) => {
    const point = decodeLoosely(publicKey);
    const encodedR = Point.BASE.multiply(NONCE).toBytes();
    const message = search((k) => point.multiply(k % 8n, false).is0(), encodedR, publicKey);
    const signature = etc.concatBytes(encodedR, scalarBytes(NONCE));
    const name = `the small-order key ${etc.bytesToHex(publicKey)}`;
    return { name, signature, message, publicKey, accepted: false, ...holds };
  });
}

/** R of small order: with R = 0 the signature gives the secret away; with the others a mixed-order key is needed. */
function smallOrderNonces(): EdgeCase[] {
  return torsionPoints().map((r, j) => {
    const encodedR = r.toBytes();
    const key = A.add(torsion(1));
    const publicKey = key.toBytes();
    // [S]B = R + [k](aB + T) holds with S = ka where [k]T = −R.
    const message = search((k) => (k + BigInt(j)) % 8n === 0n, encodedR, publicKey);
    const s = (challenge(encodedR, publicKey, message) * SECRET) % L;
    const signature = etc.concatBytes(encodedR, scalarBytes(s));
    return { name: `R of small order, number ${j}`, signature, message, publicKey, accepted: false, ...holds };
  });
}

function scalarsOutOfRange(): EdgeCase[] {
  const { signature, message, publicKey } = signed(Uint8Array.of(7));
  const s = scalarOf(signature.subarray(32));
  const cases: EdgeCase[] = [];
  for (let times = 1n; s + times * L < 1n << 256n; times++) {
    const beyond = etc.concatBytes(signature.subarray(0, 32), scalarBytes(s + times * L));
    cases.push({ name: `S + ${times}L`, signature: beyond, message, publicKey, accepted: false, ...holds });
  }
  for (const [name, value] of [
    ["S = L", L],
    ["S = L + 1", L + 1n],
    ["S = 2^256 - 1", (1n << 256n) - 1n],
    ["S = 0", 0n],
    ["S = L - 1", L - 1n],
  ] as const) {
    const other = etc.concatBytes(signature.subarray(0, 32), scalarBytes(value));
    cases.push({ name, signature: other, message, publicKey, accepted: false, equation: "none" });
  }
  return cases;
}

/** As the key (of any order) and as R. The equation holds where the point is of small order; no one can sign for the rest. */
function nonCanonicalEncodings(): EdgeCase[] {
  const cases: EdgeCase[] = [];
  const { signature } = signed(Uint8Array.of(9));
  for (const { encoded } of nonCanonicalPoints()) {
    const name = etc.bytesToHex(encoded);
    const message = Uint8Array.of(9);
    const withR = etc.concatBytes(encoded, signature.subarray(32));
    const rest = { message, accepted: false, equation: "none" } as const;
    cases.push({ name: `the non-canonical key ${name}`, signature, publicKey: encoded, ...rest });
    cases.push({ name: `the non-canonical R ${name}`, signature: withR, publicKey: A.toBytes(), ...rest });
  }
  for (const encodedR of nonCanonicalSmallOrder()) {
    const r = decodeLoosely(encodedR);
    const publicKey = A.add(torsion(1)).toBytes();
    const message = search((k) => torsion(Number(k % 8n)).equals(r.negate()), encodedR, publicKey);
    const s = (challenge(encodedR, publicKey, message) * SECRET) % L;
    const forged = etc.concatBytes(encodedR, scalarBytes(s));
    const name = `the non-canonical small-order R ${etc.bytesToHex(encodedR)}`;
    cases.push({ name, signature: forged, message, publicKey, accepted: false, ...holds });
  }
  return cases;
}

/**
 * Keys and nonces with a small-order part, which the rule allows (as verify_strict does) as long as the equation holds
 * without the cofactor. These are the cases on which cofactored libraries differ.
 */
function mixedOrderPoints(): EdgeCase[] {
  const cases: EdgeCase[] = [];
  for (let j = 1; j < 8; j++) {
    const key = A.add(torsion(j));
    const publicKey = key.toBytes();
    for (let i = 0; i < 8; i++) {
      const encodedR = Point.BASE.multiply(NONCE).add(torsion(i)).toBytes();
      for (const fits of [true, false]) {
        // [S]B = R + [k]A holds with S = r + ka exactly where the small-order parts cancel: i + kj ≡ 0 mod 8.
        const cancels = (k: bigint) => (BigInt(i) + k * BigInt(j)) % 8n === 0n;
        const message = searchOrNothing((k) => cancels(k) === fits, encodedR, publicKey);
        if (message === undefined) continue;
        const s = (NONCE + challenge(encodedR, publicKey, message) * SECRET) % L;
        cases.push({
          name: `a mixed-order key (part ${j}) and R (part ${i}) whose small parts ${fits ? "cancel" : "remain"}`,
          signature: etc.concatBytes(encodedR, scalarBytes(s)),
          message,
          publicKey,
          accepted: fits,
          equation: fits ? "cofactorless" : "cofactored",
        });
      }
    }
  }
  return cases;
}

function malformed(): EdgeCase[] {
  const { signature, message, publicKey } = signed(Uint8Array.of(1, 2, 3));
  const offCurve = encodeY(2n, 0n);
  const refused = { accepted: false, equation: "none" } as const;
  const cases: EdgeCase[] = [
    { name: "a key that is not on the curve", signature, message, publicKey: offCurve, ...refused },
    {
      name: "an R that is not on the curve",
      signature: etc.concatBytes(offCurve, signature.subarray(32)),
      message,
      publicKey,
      ...refused,
    },
    { name: "another message", signature, message: Uint8Array.of(1, 2, 4), publicKey, ...refused },
    { name: "the negated key", signature, message, publicKey: A.negate().toBytes(), ...refused },
  ];
  for (const length of [0, 1, 32, 63, 65, 128]) {
    const cut = new Uint8Array(length);
    cut.set(signature.subarray(0, length));
    cases.push({ name: `a signature of ${length} bytes`, signature: cut, message, publicKey, ...refused });
  }
  for (const length of [0, 1, 31, 33, 64]) {
    const cut = new Uint8Array(length);
    cut.set(publicKey.subarray(0, length));
    cases.push({ name: `a key of ${length} bytes`, signature, message, publicKey: cut, ...refused });
  }
  return cases;
}

function signed(message: Uint8Array): Pick<EdgeCase, "signature" | "message" | "publicKey"> {
  const publicKey = A.toBytes();
  const encodedR = Point.BASE.multiply(NONCE).toBytes();
  const s = (NONCE + challenge(encodedR, publicKey, message) * SECRET) % L;
  return { signature: etc.concatBytes(encodedR, scalarBytes(s)), message, publicKey };
}

function nonCanonicalSmallOrder(): Uint8Array[] {
  return nonCanonicalPoints()
    .filter(({ canonical }) => Point.fromBytes(canonical).isSmallOrder())
    .map(({ encoded }) => encoded);
}

function torsion(j: number): Point {
  return T8.multiply(BigInt(j), false);
}

/** The first message (a counter) whose challenge k fits; the search ends quickly, one in eight fits. */
function search(fits: (k: bigint) => boolean, encodedR: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const message = searchOrNothing(fits, encodedR, publicKey);
  if (message === undefined) throw new RangeError("no message found among 1,000: the condition can't be met");
  return message;
}

function searchOrNothing(fits: (k: bigint) => boolean, encodedR: Uint8Array, publicKey: Uint8Array) {
  for (let counter = 0; counter < 1000; counter++) {
    const message = Uint8Array.of(counter >> 8, counter & 255);
    if (fits(challenge(encodedR, publicKey, message))) return message;
  }
  return undefined;
}

/** k = SHA-512(R ‖ A ‖ M) mod L. */
export function challenge(encodedR: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  return scalarOf(sha512(etc.concatBytes(encodedR, publicKey, message))) % L;
}

export function scalarOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${etc.bytesToHex(bytes.slice().reverse())}`);
}

export function scalarBytes(value: bigint): Uint8Array {
  return etc.hexToBytes(value.toString(16).padStart(64, "0")).reverse();
}

function encodeY(y: bigint, sign: bigint): Uint8Array {
  return scalarBytes(y | (sign << 255n));
}

function isPoint(encoded: Uint8Array): boolean {
  try {
    Point.fromBytes(encoded);
    return true;
  } catch {
    return false;
  }
}

/** As decoders without checks do: y modulo p, and the sign bit of x = 0 ignored. */
function decodeLoosely(encoded: Uint8Array): Point {
  const whole = scalarOf(encoded);
  const sign = whole >> 255n;
  const y = (whole & ((1n << 255n) - 1n)) % P;
  return Point.fromBytes(encodeY(y, y === 1n || y === P - 1n ? 0n : sign));
}
