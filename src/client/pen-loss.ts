import { AntsError } from "../../keys/errors.js";
import type { RelaySet } from "../../keys/identity/relay-set.js";
import type { ChainHead } from "../protocol/event.js";
import { CONFIRMED_FOR_MS } from "./pen-contact.js";

/** Why an instance no longer holds the pen. All side effects stop at once, whichever it is. */
export type PenLoss =
  /** A relay promised a newer epoch to another instance. */
  | { readonly reason: "fenced"; readonly relay: string; readonly promised?: number; readonly head?: ChainHead }
  /** Another event holds a place of this epoch: two writers used it. */
  | { readonly reason: "fork"; readonly relay: string; readonly head?: ChainHead }
  /** A later claim took the chain another way. */
  | { readonly reason: "superseded"; readonly relay: string; readonly head?: ChainHead }
  /** Somebody else signed an event of this epoch, which only this instance may write. */
  | { readonly reason: "foreign-event"; readonly relay: string; readonly head: ChainHead }
  /** The sign key was rotated away, or the DID was deactivated. */
  | { readonly reason: "key-not-live"; readonly relay: string; readonly message: string }
  /** The agent's own chain cannot be written, so nothing can be signed. */
  | { readonly reason: "storage"; readonly error: AntsError }
  /** This process gave it up. */
  | { readonly reason: "released" };

/** One sentence for people. */
export function describeLoss(loss: PenLoss): string {
  switch (loss.reason) {
    case "fenced": {
      const epoch = loss.promised ?? loss.head?.epoch;
      return `another instance took the pen${epoch === undefined ? "" : ` in epoch ${epoch}`} (told by ${loss.relay})`;
    }
    case "fork":
      return `another event stands where this instance wrote: two writers used its epoch (told by ${loss.relay})`;
    case "superseded":
      return `a later claim took the chain another way (told by ${loss.relay})`;
    case "foreign-event":
      return `event ${loss.head.id} of this epoch was not signed here: somebody else has the key (told by ${loss.relay})`;
    case "key-not-live":
      return `the sign key is no longer live (told by ${loss.relay}): ${loss.message}`;
    case "storage":
      return loss.error.message;
    case "released":
      return "the pen was given up";
  }
}

/** What `pen.check()` throws, and every write after the loss. */
export function penLost(loss: PenLoss): AntsError {
  const hints: Partial<Record<PenLoss["reason"], string>> = {
    "foreign-event":
      "stop; ants forks shows what the other one signed, and ants heal joins once it is gone; if it was not you: ants rotate",
    fork: "stop; ants forks shows what the other one signed, and ants heal joins once it is gone; if it was not you: ants rotate",
    "key-not-live": "bring the vault from where the key was replaced; if it was not you: ants rotate with the words",
    storage: "free space or repair the disk, then start again",
  };
  const { reason, ...facts } = loss;
  const hint =
    hints[reason] ??
    "what was not committed stays on this disk; the next start claims the pen anew and says what became of it";
  return new AntsError("pen-lost", `the pen is lost: ${describeLoss(loss)}`, {
    hint,
    ...("error" in loss ? { cause: loss.error } : {}),
    details: { reason, ...("error" in facts ? {} : facts) },
  });
}

/** What `pen.check()` throws while one relay says that the pen is lost and no quorum of the others says that it isn't. */
export function penUnconfirmed(dispute: PenLoss): AntsError {
  const { reason, ...facts } = dispute;
  return new AntsError("pen-unconfirmed", `it is not certain that the pen is held: ${describeLoss(dispute)}`, {
    hint: "have no effects until a quorum of the other relays answers; it is being asked",
    details: { reason, ...("error" in facts ? {} : facts) },
  });
}

/** What `pen.check()` throws while too few relays of some set have confirmed lately that the pen is held. */
export function penOutOfTouch(sets: readonly (readonly [set: RelaySet, confirmed: number])[]): AntsError {
  const [set, confirmed] = sets.find(([{ quorum }, confirmed]) => confirmed < quorum)!;
  const relays = set.relays.length === 1 ? "1 relay" : `${set.relays.length} relays`;
  const seconds = CONFIRMED_FOR_MS / 1_000;
  return new AntsError(
    "pen-unconfirmed",
    `it is not certain that the pen is held: ${confirmed} of ${relays} confirmed it in the last ${seconds} s, and ${set.quorum} are needed`,
    {
      hint: "have no effects, and check again in a moment: the relays are being asked, and it passes as soon as they answer; if they don't: ants doctor",
      details: { reason: "no-quorum", relays: set.relays.map(({ url }) => url), confirmed, quorum: set.quorum },
    },
  );
}
