import type { RelayAddress } from "../../keys/identity/shape.js";
import { Backoff } from "./backoff.js";
import type { ClientPorts } from "./ports.js";
import { isPrivateHost } from "./private-hosts.js";

/** Where a recipient is now is looked up again when its relays don't take a message. */
export const LOOK_AGAIN = { firstMs: 5_000, maxMs: 600_000 };
/** Of one recipient's relays, how many are written to: the recipient chooses them, the sender dials. */
const MAX_RELAYS = 8;

/** Whom messages are brought to. */
export interface Recipient {
  /** URLs that are written to; undefined until they are known, or after a search that found nothing. */
  relays?: readonly string[];
  /** What its identity named, of which `relays` may be dialled. */
  named?: readonly RelayAddress[];
  isSought: boolean;
  readonly backoff: Backoff;
}

/** One of whom nothing is known yet. */
export function newRecipient({ clock, random }: ClientPorts): Recipient {
  return { isSought: false, backoff: new Backoff(clock, random, LOOK_AGAIN) };
}

/**
 * Which of a recipient's relays are written to. `own`: URLs of the sender's own relays, which may always be dialled;
 * `mayDial`: default wss: URLs that don't lead into this machine or its network, and any where all of `own` are there.
 */
export function relaysToDial(
  relays: readonly RelayAddress[],
  own: readonly string[],
  mayDial?: (url: string) => boolean,
): string[] {
  const isInside = own.every(isPrivateHost);
  const may = mayDial ?? ((url: string) => isInside || (url.startsWith("wss:") && !isPrivateHost(url)));
  const urls = [...new Set(relays.map(({ url }) => url))];
  return urls.filter((url) => own.includes(url) || may(url)).slice(0, MAX_RELAYS);
}
