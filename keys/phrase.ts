import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { utf8, zero } from "./bytes.js";
import { publicKeyFromSeed } from "./ed25519/index.js";
import { AntsError } from "./errors.js";
import { type Random, systemRandom } from "./ports.js";
import { LABEL } from "./tags.js";
import { timesX } from "./word-field.js";
import { numberOfWord, splitWords, WORDS } from "./word-list.js";
import { x25519PublicKey } from "./x25519.js";

/** 24 words: 256 bits and the 8 bits of BIP-39's checksum. */
export const WORD_COUNT = 24;
const ENTROPY_BYTES = 32;
const KEY_BYTES = 32;

/** A phrase that was read. `entropy`: 32 secret bytes, to be zeroed after use. */
export interface Phrase {
  readonly entropy: Uint8Array;
  /** Was the check word there (and right)? Without it one typo in 256 goes unnoticed. */
  readonly hasCheck: boolean;
}

export interface GeneratedPhrase {
  /** 24 English BIP-39 words with single spaces. */
  readonly words: string;
  /** The 25th, to be written down with them. */
  readonly check: string;
}

/** An Ed25519 key pair. */
export interface RecoveryKey {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** An X25519 key pair. */
export interface AgreementKey {
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
}

export interface PhraseKeys {
  /** One-time recovery key number `index`: 0 is committed to in the genesis. */
  recoveryKey(index: number): RecoveryKey;
  /** State keys are sealed to it, and the agent is found by it. */
  readonly escrow: AgreementKey;
  /** Backups are sealed to it. */
  readonly backup: AgreementKey;
  /** 32 bytes that open the phrase slot of the vault. */
  readonly vaultKey: Uint8Array;
}

/** A new recovery phrase. */
export function generatePhrase(random: Random = systemRandom): GeneratedPhrase {
  const entropy = random.bytes(ENTROPY_BYTES);
  try {
    return phraseOf(entropy);
  } finally {
    zero(entropy);
  }
}

/** The words that 32 bytes of entropy are written as. Throws AntsError "phrase-entropy". */
export function phraseOf(entropy: Uint8Array): GeneratedPhrase {
  assertEntropy(entropy);
  const words = entropyToMnemonic(entropy, wordlist);
  return { words, check: WORDS[checkNumber(words.split(" ").map(numberOfWord))]! };
}

/**
 * Reads 24 words, or 25 with the check word, in any case and spacing, also in Unicode's compatibility forms (NFKD).
 *
 * Throws AntsError "phrase-words" (another number of words, or one that isn't in the list: details.position, from 1),
 * "phrase-check-word", "phrase-checksum". Errors never repeat a word.
 */
export function parsePhrase(text: string): Phrase {
  const words = splitWords(text);
  if (words.length !== WORD_COUNT && words.length !== WORD_COUNT + 1) {
    throw new AntsError("phrase-words", `expected 24 words, or 25 with the check word, got ${words.length}`);
  }
  const indices = words.map(numberOfWord);
  const unknown = indices.indexOf(-1);
  if (unknown !== -1) {
    throw new AntsError("phrase-words", `word ${unknown + 1} is not in the list of BIP-39 words`, {
      hint: "compare that word with what you wrote down",
      details: { position: unknown + 1 },
    });
  }
  const hasCheck = words.length > WORD_COUNT;
  if (hasCheck && checkNumber(indices.slice(0, WORD_COUNT)) !== indices[WORD_COUNT]) {
    throw new AntsError("phrase-check-word", "a word is wrong or two are exchanged: the check word does not fit", {
      hint: "compare all 25 words with what you wrote down",
    });
  }
  return { entropy: entropyOf(words.slice(0, WORD_COUNT)), hasCheck };
}

/** Everything that a phrase derives, by HKDF-SHA256 from its 32 bytes of entropy: one label for each key. */
export function phraseKeys(entropy: Uint8Array): PhraseKeys {
  assertEntropy(entropy);
  const derive = (label: string) => hkdf(sha256, entropy, undefined, utf8(label), KEY_BYTES);
  return {
    recoveryKey(index) {
      if (!Number.isSafeInteger(index) || index < 0) {
        throw new AntsError("phrase-key-index", `expected the number of a recovery key, 0, 1, 2 …, got ${index}`);
      }
      const seed = derive(LABEL.phraseRecovery + index);
      return { seed, publicKey: publicKeyFromSeed(seed) };
    },
    escrow: agreementKey(derive(LABEL.phraseEscrow)),
    backup: agreementKey(derive(LABEL.phraseBackup)),
    vaultKey: derive(LABEL.phraseVault),
  };
}

/** Throws AntsError "phrase-entropy" unless there are 32 bytes. */
export function assertEntropy(entropy: Uint8Array): void {
  if (entropy.length === ENTROPY_BYTES) return;
  throw new AntsError("phrase-entropy", `expected the 32 bytes of a phrase, got ${entropy.length}`);
}

function agreementKey(secret: Uint8Array): AgreementKey {
  return { secret, publicKey: x25519PublicKey(secret) };
}

function entropyOf(words: readonly string[]): Uint8Array {
  try {
    return mnemonicToEntropy(words.join(" "), wordlist);
  } catch {
    // The library's error is not passed on as a cause: it may quote the phrase.
    throw new AntsError(
      "phrase-checksum",
      "a word is wrong or out of place: the checksum of the 24 words does not fit",
      {
        hint: "compare all words with what you wrote down",
      },
    );
  }
}

/**
 * The number of the check word, a parity symbol over GF(2^11), where a word is its 11-bit number: the sum of
 * x^(25−i) · w_i for the 24 words, i = 1 … 24. Other than a hash it misses no single wrong word (x^i is invertible) and
 * no exchange of two words (the x^i differ), the check word itself included.
 */
export function checkNumber(indices: readonly number[]): number {
  // Horner's rule: one more factor x for every word after it, so the first word is multiplied most often.
  return indices.reduce((sum, index) => timesX(sum ^ index), 0);
}
