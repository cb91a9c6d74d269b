import { verify as nobleVerify, Point } from "@noble/ed25519";
import { describe, expect, test } from "vitest";
import { concat, equalBytes, hex, utf8 } from "../../keys/bytes.js";
import { passesGate } from "../../keys/ed25519/gate.js";
import { ed25519Backends, generateSeed, publicKeyFromSeed, sign, verifyStrict } from "../../keys/ed25519/index.js";
import { isAntsError } from "../../keys/errors.js";
import { challenge, edgeCases, nonCanonicalPoints, scalarOf, torsionPoints } from "./ed25519-edge-cases.js";

const seed = new Uint8Array(32).fill(7);
const message = utf8("a message");
const publicKey = publicKeyFromSeed(seed);
const cases = edgeCases();

test("all three backends load on the machines that tests run on", () => {
  expect(ed25519Backends()).toEqual(["sodium", "node", "noble"]);
});

test("an unknown backend is an error that names the known ones", () => {
  const thrown = catchError(() => verifyStrict(sign(message, seed), message, publicKey, "openssl"));
  expect(isAntsError(thrown, "backend-unknown")).toBe(true);
  expect(String(thrown)).toContain("noble");
});

test("an unknown backend is an error even for bytes that no backend would see", () => {
  expect(
    isAntsError(
      catchError(() => verifyStrict(new Uint8Array(1), message, publicKey, "")),
      "backend-unknown",
    ),
  ).toBe(true);
});

test("the gate lets exactly the canonical points through that are not of small order", () => {
  const signature = sign(message, seed);
  expect(passesGate(signature, publicKey)).toBe(true);
  for (const point of torsionPoints()) expect(passesGate(signature, point.toBytes())).toBe(false);
  for (const { encoded, canonical } of nonCanonicalPoints()) {
    expect(passesGate(signature, encoded), hex(encoded)).toBe(false);
    expect(passesGate(signature, canonical), hex(canonical)).toBe(!Point.fromBytes(canonical).isSmallOrder());
  }
});

test("the generated edge cases are what they say: their equations hold, or hold with the cofactor, or don't", () => {
  for (const { name, signature, message, publicKey, equation } of cases) {
    if (signature.length !== 64 || publicKey.length !== 32 || equation === "none") continue;
    expect(equationOf(signature, message, publicKey), name).toBe(equation);
  }
  const count = (equation: string) => cases.filter((each) => each.equation === equation).length;
  expect(count("cofactorless")).toBeGreaterThan(60);
  expect(count("cofactored")).toBeGreaterThan(40);
});

test("a verifier with the cofactor would accept what the rule refuses", () => {
  const tempting = cases.filter(({ equation }) => equation === "cofactored");
  for (const { name, signature, message, publicKey } of tempting) {
    expect(nobleVerify(signature, message, publicKey), name).toBe(true);
  }
});

describe.each(ed25519Backends())("backend %s", (backend) => {
  test("signs as RFC 8032 says (section 7.1, test 3)", () => {
    const secret = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    const signature = sign(bytes("af82"), secret, backend);
    expect(hex(signature)).toBe(
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    );
    const key = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    expect(verifyStrict(signature, bytes("af82"), key, backend)).toBe(true);
  });

  test("returns plain Uint8Arrays, whose slices are copies", () => {
    expect(Object.getPrototypeOf(sign(message, seed, backend))).toBe(Uint8Array.prototype);
  });

  test("signs and verifies views into larger buffers", () => {
    const whole = concat(utf8("xx"), message, utf8("yy"));
    const view = whole.subarray(2, 2 + message.length);
    const seeds = concat(Uint8Array.of(1), seed, Uint8Array.of(1));
    const signature = sign(view, seeds.subarray(1, 33), backend);
    expect(equalBytes(signature, sign(message, seed))).toBe(true);
    const padded = concat(Uint8Array.of(9), signature, publicKey);
    expect(verifyStrict(padded.subarray(1, 65), view, padded.subarray(65), backend)).toBe(true);
  });

  test("signs and verifies bytes in memory that threads share", () => {
    const shared = (bytes: Uint8Array) => {
      const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
      copy.set(bytes);
      return copy;
    };
    const signature = sign(shared(message), shared(seed), backend);
    expect(hex(signature)).toBe(hex(sign(message, seed)));
    expect(verifyStrict(shared(signature), shared(message), shared(publicKey), backend)).toBe(true);
    expect(verifyStrict(shared(flipped(signature, 0)), shared(message), shared(publicKey), backend)).toBe(false);
  });

  test("takes Buffers, and memory that was given away for empty", () => {
    const signature = sign(message, seed);
    const buffers = [signature, message, publicKey].map((bytes) => Buffer.from(bytes)) as [Buffer, Buffer, Buffer];
    expect(verifyStrict(...buffers, backend)).toBe(true);
    const given = new Uint8Array(64);
    structuredClone(given, { transfer: [given.buffer] });
    expect(verifyStrict(given, message, publicKey, backend)).toBe(false);
    expect(verifyStrict(signature, given, publicKey, backend)).toBe(false);
    expect(verifyStrict(signature, message, given, backend)).toBe(false);
  });

  test.each(cases)("$name: accepted is $accepted", ({ signature, message, publicKey, accepted }) => {
    expect(verifyStrict(signature, message, publicKey, backend)).toBe(accepted);
  });

  test("refuses a signature with any one bit flipped, and the message and the key likewise", () => {
    const signature = sign(message, seed);
    // One bit of each byte: the fuzz test flips the others.
    for (let i = 0; i < 64; i++) expect(verifyStrict(flipped(signature, i), message, publicKey, backend)).toBe(false);
    for (let i = 0; i < message.length; i++) {
      expect(verifyStrict(signature, flipped(message, i), publicKey, backend)).toBe(false);
    }
    for (let i = 0; i < 32; i++) expect(verifyStrict(signature, message, flipped(publicKey, i), backend)).toBe(false);
  });

  test("answers false, without throwing, for things that are no bytes at all", () => {
    const signature = sign(message, seed);
    for (const junk of [undefined, null, "text", 5, {}, [], new ArrayBuffer(64), new Uint16Array(32)]) {
      const wrong = junk as unknown as Uint8Array;
      expect(verifyStrict(wrong, message, publicKey, backend)).toBe(false);
      expect(verifyStrict(signature, wrong, publicKey, backend)).toBe(false);
      expect(verifyStrict(signature, message, wrong, backend)).toBe(false);
    }
  });
});

test("a seed that is not 32 bytes is refused before any backend sees it", () => {
  for (const wrong of [new Uint8Array(31), new Uint8Array(64), "seed" as unknown as Uint8Array]) {
    expect(
      isAntsError(
        catchError(() => sign(message, wrong)),
        "seed-length",
      ),
    ).toBe(true);
    expect(
      isAntsError(
        catchError(() => publicKeyFromSeed(wrong)),
        "seed-length",
      ),
    ).toBe(true);
  }
});

test("a new seed is 32 bytes of the given generator", () => {
  const asked: number[] = [];
  const random = {
    bytes(length: number) {
      asked.push(length);
      return new Uint8Array(length).fill(5);
    },
  };
  expect(generateSeed(random)).toEqual(new Uint8Array(32).fill(5));
  expect(asked).toEqual([32]);
  expect(equalBytes(generateSeed(), generateSeed())).toBe(false);
});

/** Evaluates the equation on points, leaving out every other check; encodings are taken modulo p. */
function equationOf(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) {
  const encodedR = signature.subarray(0, 32);
  const r = loosely(encodedR);
  const a = loosely(publicKey);
  const { n } = Point.CURVE();
  const k = challenge(encodedR, publicKey, message);
  const sB = Point.BASE.multiply(scalarOf(signature.subarray(32)) % n, false);
  const difference = sB.subtract(r).subtract(a.multiply(k, false));
  return difference.is0() ? "cofactorless" : difference.isSmallOrder() ? "cofactored" : "none";
}

function loosely(encoded: Uint8Array): Point {
  const known = nonCanonicalPoints().find((point) => equalBytes(point.encoded, encoded));
  return Point.fromBytes(known?.canonical ?? encoded);
}

function flipped(original: Uint8Array, index: number): Uint8Array {
  const copy = original.slice();
  copy[index]! ^= 1 << (index % 8);
  return copy;
}

function bytes(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}

function catchError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
