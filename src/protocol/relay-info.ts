/** What a relay says about itself: in `hello`, and at `/.well-known/ants-relay`. */
import { AntsError } from "../../keys/errors.js";
import { isRelayUrl } from "../../keys/identity/relay-url.js";
import { isStream } from "./cursor.js";
import { isInteger, isSignKey } from "./grammar.js";
import { DEFAULT_LIMITS, MAX_MESSAGE_LENGTH, type RelayLimits } from "./limits.js";

export interface RelayPolicy {
  /** What an acknowledged entry survives: on this disk (`fsync`), or on a majority of three log servers. */
  readonly durability: "fsync" | "replicated";
  /** Whose chains this relay takes: anyone's, or those that its owner lists. */
  readonly hosting: "open" | "listed";
  /** Leading zero bits of proof of work that a new DID needs above the free rate; absent = none is taken. */
  readonly powBits?: number;
}

export interface RelayInfo {
  readonly name: string;
  /** The relay's own URL, ws: or wss:. */
  readonly url: string;
  /** This incarnation of its log, 16 hex digits. */
  readonly stream: string;
  /** The Multikey that signs its tree heads. */
  readonly key: string;
  readonly limits: RelayLimits;
  readonly policy: RelayPolicy;
  /** Name and version, for people: nothing may depend on it. */
  readonly software: string;
}

/**
 * Reads a relay's description. Unknown fields are passed over, so that relays can say more later; a limit that is not
 * stated has its default. Throws `bad-message` (details: field, expected).
 */
export function parseRelayInfo(value: unknown): RelayInfo {
  const info = objectOf("relay", value);
  const { name, url, stream, key, software } = info;
  if (!isShortText(name)) throw badInfo("name", "text");
  if (!isRelayUrl(url)) throw badInfo("url", "a relay URL in its one spelling");
  if (!isStream(stream)) throw badInfo("stream", "16 hex digits");
  if (!isSignKey(key)) throw badInfo("key", "the Multikey of an Ed25519 key");
  if (!isShortText(software)) throw badInfo("software", "text");
  return { name, url, stream, key, limits: parseLimits(info.limits), policy: parsePolicy(info.policy), software };
}

/** Whoever kept to a zero of these would send frames with nothing in them, without end. Rates may be 0: not limited. */
const NEVER_ZERO: ReadonlySet<keyof RelayLimits> = new Set([
  "maxLineBytes",
  "maxDepth",
  "maxOperationBytes",
  "maxOperationsPerEra",
  "maxFrameBytes",
  "maxFrameEntries",
  "maxFollows",
  "maxUnsentBytes",
]);

function parseLimits(value: unknown): RelayLimits {
  const limits: { -readonly [name in keyof RelayLimits]: number } = { ...DEFAULT_LIMITS };
  if (value === undefined) return limits;
  const stated = objectOf("limits", value);
  for (const name of Object.keys(limits) as (keyof RelayLimits)[]) {
    const limit = stated[name];
    if (limit === undefined) continue;
    const least = NEVER_ZERO.has(name) ? 1 : 0;
    if (!isInteger(limit, least)) throw badInfo(`limits.${name}`, `an integer from ${least}`);
    limits[name] = limit;
  }
  return limits;
}

function parsePolicy(value: unknown): RelayPolicy {
  const { durability, hosting, powBits } = objectOf("policy", value);
  if (durability !== "fsync" && durability !== "replicated") throw badInfo("policy.durability", "fsync or replicated");
  if (hosting !== "open" && hosting !== "listed") throw badInfo("policy.hosting", "open or listed");
  if (powBits !== undefined && !isInteger(powBits, 0)) throw badInfo("policy.powBits", "an integer from 0");
  return { durability, hosting, ...(powBits === undefined ? {} : { powBits }) };
}

function objectOf(field: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw badInfo(field, "an object");
}

function isShortText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_MESSAGE_LENGTH;
}

function badInfo(field: string, expected: string): AntsError {
  return new AntsError("bad-message", `relay description, ${field}: expected ${expected}`, {
    details: { field: `relay.${field}`, expected },
  });
}
