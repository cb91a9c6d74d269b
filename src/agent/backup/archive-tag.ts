import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hex, utf8 } from "../../../keys/bytes.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import type { Random } from "../../../keys/ports.js";
import { LABEL } from "../../../keys/tags.js";
import { archiveName, type BackupTier } from "./archive-name.js";

/**
 * Several agents may keep their archives in one place, and none may remove another's. So the last 8 digits of a name are
 * an HMAC of the rest of it: to whoever has not the agent's key they look drawn, and no two of them alike.
 */

const TAG_BYTES = 4;
const TAGGED = /^(ants-.*-[0-9a-f]{8})([0-9a-f]{8})\.tar\.age$/;

/** The keys of an agent's tags, the present one first: each era of its state key has its own. */
export function tagKeys({ stateKey, earlier }: Pick<VaultContent, "stateKey" | "earlier">): Uint8Array[] {
  return [stateKey, ...earlier.map((keys) => keys.stateKey)].map((key) => hmac(sha256, key, utf8(LABEL.backupName)));
}

/** The name of a new archive of this agent. */
export function taggedName(tier: BackupTier, timeMs: number, random: Random, [key]: readonly Uint8Array[]): string {
  const drawn = hex(random.bytes(4));
  const beginning = archiveName(tier, timeMs, drawn).replace(".tar.age", "");
  return archiveName(tier, timeMs, drawn + tagOf(beginning, key!));
}

/** Whose an archive is, as far as its name says. */
export type ArchiveOwner =
  /** This home stored it. */
  | "home"
  /** Its tag is this agent's: another home of it did, or this one forgot. */
  | "agent"
  /** It has a tag, and not this agent's. */
  | "other"
  /** It has none, or there is no key to tell. */
  | "unknown";

/** `remembered`: has the names that this home's catalogue knows, at whatever target. `keys`: those of the agent's tags. */
export function ownerOf(
  name: string,
  remembered: { has(name: string): boolean },
  keys: readonly Uint8Array[] | undefined,
): ArchiveOwner {
  if (remembered.has(name)) return "home";
  if (!TAGGED.test(name) || keys === undefined) return "unknown";
  return eraOf(name, keys) === undefined ? "other" : "agent";
}

/** Which of these keys made a name's tag, from 0 for the present one; undefined where none did. */
export function eraOf(name: string, keys: readonly Uint8Array[]): number | undefined {
  const [, beginning, tag] = TAGGED.exec(name) ?? [];
  if (beginning === undefined) return undefined;
  const era = keys.findIndex((key) => tagOf(beginning, key) === tag);
  return era < 0 ? undefined : era;
}

function tagOf(beginning: string, key: Uint8Array): string {
  return hex(hmac(sha256, key, utf8(beginning)).subarray(0, TAG_BYTES));
}
