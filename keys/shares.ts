import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { combine, split } from "shamir-secret-sharing";
import { concat, equalBytes, utf8, zero } from "./bytes.js";
import { AntsError } from "./errors.js";
import { assertEntropy } from "./phrase.js";
import { type Random, systemRandom } from "./ports.js";
import { formatShare, MAX_SHARES, parseShare, type Share } from "./share-text.js";
import { LABEL } from "./tags.js";

/**
 * k-of-n shares of a recovery phrase: Shamir's scheme over GF(2^8) (shamir-secret-sharing), byte by byte, on the 32
 * bytes of the phrase and 4 bytes of their digest. Fewer than k shares say nothing about the phrase, whatever is known
 * of it otherwise. The scheme itself notices nothing: any k rows of bytes give some result. Hence what a share carries
 * besides (share-text.ts), and the digest, which tells the right result from every other.
 */

const DIGEST_BYTES = 4;
const SET_BYTES = 4;

export interface SharePolicy {
  /** How many shares bring the phrase back: 2 … `shares`. */
  readonly threshold: number;
  /** How many there are: 2 … 16. */
  readonly shares: number;
}

/**
 * Splits the 32 bytes of a phrase. A new set each time: shares of two sets never go together. `random` gives the name
 * of the set; the library takes the polynomials from the system's generator. Each share's `value` is as secret as a
 * share is; the caller zeroes it. Throws AntsError "share-policy" or "phrase-entropy".
 */
export async function splitEntropy(
  entropy: Uint8Array,
  { threshold, shares }: SharePolicy,
  random: Random = systemRandom,
): Promise<Share[]> {
  assertEntropy(entropy);
  assertSharePolicy({ threshold, shares });
  // 28 bits: as many as three words have room for beside the version.
  const set = new DataView(random.bytes(SET_BYTES).buffer).getUint32(0) >>> 4;
  const digest = digestOf(entropy, set);
  // Uint8Array itself, and no subclass such as Buffer: the library takes nothing else.
  const secret = concat(entropy, digest);
  try {
    const values = await split(secret, shares, threshold);
    const back = await combine(values.slice(-threshold));
    const right = equalBytes(back, secret);
    zero(back);
    // The library tells nobody when it fails, and these words may be all that is left one day.
    if (!right) throw new AntsError("share-mismatch", "the shares that were made do not give the phrase back");
    return values.map((value, i) => formatShare({ set, threshold, shares, index: i + 1, value }));
  } finally {
    zero(secret, digest);
  }
}

/** Throws AntsError "share-policy" unless such shares can be made. */
export function assertSharePolicy({ threshold, shares }: SharePolicy): void {
  const whole = Number.isSafeInteger(threshold) && Number.isSafeInteger(shares);
  if (!whole || threshold < 2 || threshold > shares || shares > MAX_SHARES) {
    throw new AntsError(
      "share-policy",
      `expected a threshold of 2 or more, no more than the shares, and at most ${MAX_SHARES} shares, got ${threshold} of ${shares}`,
      { hint: "with a threshold of 1 every share is the phrase: copy the phrase instead" },
    );
  }
}

/**
 * The 32 bytes of the phrase, from the texts of `threshold` shares of one set, or more; the caller zeroes them. All of
 * them are used: one that is forged is noticed, not outvoted.
 *
 * Throws AntsError, with details.share (which text, from 1) where one is to blame: what {@link parseShare} throws,
 * "share-too-few" (details: have, threshold), "share-other-set", "share-duplicate" (details.other), or
 * "share-mismatch": whole shares that give nothing, so one of them was made by somebody else.
 */
export async function combineShares(texts: readonly string[]): Promise<Uint8Array> {
  const shares: Share[] = [];
  try {
    for (const [i, text] of texts.entries()) shares.push(parsed(text, i + 1));
    assertOneSet(shares);
    const secret = await combine(shares.map(({ value }) => value));
    try {
      const entropy = secret.slice(0, -DIGEST_BYTES);
      if (equalBytes(digestOf(entropy, shares[0]!.set), secret.subarray(-DIGEST_BYTES))) return entropy;
      zero(entropy);
    } finally {
      zero(secret);
    }
    throw new AntsError("share-mismatch", "the shares are whole and of one set, but do not give a phrase together", {
      hint: "one of them was not made with the others: try with another share in the place of each",
    });
  } finally {
    zero(...shares.map(({ value }) => value));
  }
}

function parsed(text: string, share: number): Share {
  try {
    return parseShare(text);
  } catch (error) {
    if (!(error instanceof AntsError)) throw error;
    throw new AntsError(error.code, error.message, {
      details: { ...error.details, share },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

function assertOneSet(shares: readonly Share[]): void {
  const [first] = shares;
  if (first === undefined) throw tooFew(0);
  for (const [i, share] of shares.entries()) {
    if (share.set !== first.set || share.threshold !== first.threshold || share.shares !== first.shares) {
      throw new AntsError("share-other-set", "this share is of another set than the first", {
        hint: "shares that go together begin with the same three words",
        details: { share: i + 1 },
      });
    }
    const same = shares.findIndex(({ index, value }) => index === share.index || value.at(-1) === share.value.at(-1));
    if (same < i) {
      throw new AntsError("share-duplicate", "this share was given already", {
        hint: "give each share once",
        details: { share: i + 1, other: same + 1 },
      });
    }
  }
  if (shares.length < first.threshold) throw tooFew(shares.length, first.threshold);
}

function tooFew(have: number, threshold?: number): AntsError {
  const needed = threshold === undefined ? "shares of one set" : `${threshold} shares of this set`;
  return new AntsError("share-too-few", `expected ${needed}, got ${have}`, {
    hint: "find more of them: fewer say nothing about the phrase",
    details: { have, ...(threshold === undefined ? {} : { threshold }) },
  });
}

/** Keyed by the phrase, so that it says nothing to anybody who has not put it together already. */
function digestOf(entropy: Uint8Array, set: number): Uint8Array {
  return hmac(sha256, entropy, utf8(`${LABEL.phraseShares}\n${set}`)).slice(0, DIGEST_BYTES);
}
