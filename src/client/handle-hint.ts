import { type Did, isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { isRelayUrl } from "../../keys/identity/relay-url.js";
import { RELAY_REL } from "../protocol/webfinger.js";

/** What a handle's host says: whose it is, and where that identity is kept. Nothing of it is believed as such. */
export interface Hint {
  /** Without repetitions, sorted: the DNS keeps no order. One, if all is well. */
  readonly dids: readonly Did[];
  readonly relays: readonly string[];
}

const DID_BEGINNING = "did:ants:";

/**
 * Reads hints as the DNS and the well-known file have them, one a record or line:
 * ```
 * record = "did=" did *(SP "relay=" url)      in any order, at least one space or tab between them
 * ```
 * Other words are passed over, and so is what says nothing of a did:ants: a name has TXT records for many ends. Undefined
 * where nothing is left. Throws AntsError "hint-syntax" for a did:ants that is none: that may be somebody's typing error,
 * and is no word that there is nothing.
 */
export function readHint(records: readonly string[], from: string): Hint | undefined {
  const dids: string[] = [];
  const relays: string[] = [];
  for (const record of records) {
    const words = record.split(/[\s]+/);
    const named = words.flatMap((word) => (word.startsWith(`did=${DID_BEGINNING}`) ? [word.slice("did=".length)] : []));
    if (named.length === 0) continue;
    dids.push(...named);
    for (const word of words) if (word.startsWith("relay=")) relays.push(word.slice("relay=".length));
  }
  return hintOf(dids, relays, from);
}

/**
 * Reads the hint of a WebFinger answer (JRD, RFC 7033 section 4.4): a did:ants that is its subject, an alias, a property
 * or the target of a link; relays are the targets of links with {@link RELAY_REL}. Undefined where it names no did:ants.
 * Throws AntsError "hint-syntax" for what is no JRD.
 */
export function readJrd(text: string, from: string): Hint | undefined {
  const jrd = objectIn(text, from);
  const links = listOf(jrd.links).map((link) => asObject(link) ?? {});
  const named = [
    jrd.subject,
    ...listOf(jrd.aliases),
    ...Object.values(asObject(jrd.properties) ?? {}),
    ...links.map(({ href }) => href),
  ];
  const dids = named.filter((name): name is string => typeof name === "string" && name.startsWith(DID_BEGINNING));
  const relays = links.flatMap(({ rel, href }) => (rel === RELAY_REL && typeof href === "string" ? [href] : []));
  return hintOf(dids, relays, from);
}

function hintOf(dids: readonly string[], relays: readonly string[], from: string): Hint | undefined {
  const wrong = dids.find((did) => !isDid(did));
  if (wrong !== undefined) throw syntax(from, `${JSON.stringify(wrong.slice(0, 80))} is no DID`);
  if (dids.length === 0) return undefined;
  return { dids: [...new Set(dids.filter(isDid))].sort(), relays: [...new Set(relays.filter(isRelayUrl))] };
}

function objectIn(text: string, from: string): Record<string, unknown> {
  try {
    const value = asObject(JSON.parse(text));
    if (value !== undefined) return value;
  } catch (cause) {
    throw syntax(from, "it is no JSON", cause);
  }
  throw syntax(from, "it is no JSON object");
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function syntax(from: string, why: string, cause?: unknown): AntsError {
  return new AntsError("hint-syntax", `${from} does not say whose the handle is: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { from },
  });
}
