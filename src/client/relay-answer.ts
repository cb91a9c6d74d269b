import type { AntsError } from "../../keys/errors.js";
import type { ChainHead } from "../protocol/event.js";
import type { PromisedMessage, RefusedMessage } from "../protocol/messages.js";
import { errorOfRefusal, isRefusal } from "../protocol/refusal.js";
import type { IdentityLog } from "./identity-log.js";
import type { PenHolder } from "./pen-holder.js";

/** What one relay answered to the request for a promise. */
export type RelayAnswer =
  | { readonly state: "asking"; readonly error?: AntsError }
  /** It promised, and what it names as its head is in the agent's own chain. */
  | { readonly state: "granted"; readonly head?: ChainHead; readonly operations: ReadonlySet<string> }
  | { readonly state: "held"; readonly holder: PenHolder }
  /** It promised this epoch or a newer one to somebody else. */
  | { readonly state: "outbid" }
  | { readonly state: "wrong-stream"; readonly stream: string }
  | { readonly state: "refused"; readonly error: AntsError };

/** A promise, with the ends of all branches of the identity that the relay knows. */
export function grantedAnswer({ head, identity, branches = [] }: PromisedMessage): RelayAnswer {
  const operations = new Set([identity, ...branches]);
  return { state: "granted", operations, ...(head === undefined ? {} : { head }) };
}

export function refusedAnswer(message: RefusedMessage): RelayAnswer {
  return { state: "refused", error: errorOfRefusal(message) };
}

/**
 * Whether a relay that promised knows every branch of the identity that is known here: then whoever asks it next learns of
 * them, and asks the relays that they name (docs/decisions/0035-whoever-promises-knows-every-branch.md).
 */
export function knowsAll(answer: RelayAnswer, { state }: IdentityLog): boolean {
  return answer.state === "granted" && (state?.ends ?? []).every(({ hash }) => answer.operations.has(hash));
}

/** Errors that no other relay's answer can heal, where they were found here and are not a relay's word. */
const FATAL: ReadonlySet<string> = new Set([
  "key-not-live",
  "identity-conflicted",
  "identity-operation-unknown",
  "no-relays",
  "chain-write-failed",
]);

/** Whether an error ends the whole round; what a relay refused with ends nothing but its own answer. */
export function isFatal(error: AntsError): boolean {
  return FATAL.has(error.code) && !isRefusal(error);
}
