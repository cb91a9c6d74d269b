import type { Did } from "../../../keys/did.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";

/**
 * What a recovery kit says: one sheet that somebody who finds it can bring the agent back with, once the words are on
 * it. Names and labels in it are what an identity log or a file says, and so anybody's text.
 */
export interface Kit {
  readonly did: Did;
  readonly fingerprint: string;
  readonly label: string;
  readonly handles: readonly string[];
  readonly relays: readonly RelayAddress[];
  readonly home: string;
  readonly vault: string;
  /** Year-month-day, UTC. */
  readonly date: string;
  /** Of this package. */
  readonly version: string;
  /** 24 words and the check word, where the sheet is to carry them. */
  readonly words?: readonly string[];
}

/** Words and check word. */
export const KIT_WORDS = 25;

export interface KitCommand {
  readonly when: string;
  readonly line: string;
}

/** What to run, and when. Each relay alone is enough to begin with. */
export function kitCommands({ relays }: Kit): KitCommand[] {
  const relay = relays.map(({ url }) => ` --relay ${url}`).join("");
  return [
    { when: "get the program (Node.js 20.19 or later)", line: "npm install --global ants-agent" },
    { when: "everything is lost but the words", line: `ants recover${relay}` },
    { when: "the words are in shares", line: `ants recover${relay} --share-file SHARE --share-file SHARE` },
    { when: "the key was stolen", line: "ants rotate" },
    { when: "only the passphrase is lost", line: "ants vault passwd --phrase-file WORDS" },
    { when: "to see whether these are the words", line: "ants phrase verify" },
  ];
}

/** The rows at the top of the sheet. */
export function kitFacts(kit: Kit): (readonly [name: string, value: string])[] {
  return [
    ["DID", kit.did],
    ["fingerprint", `${kit.fingerprint} (the DID's first 16 characters, to compare at a glance)`],
    ["label", kit.label],
    ...kit.handles.map((handle) => ["handle", handle] as const),
    ...kit.relays.map(({ url, stream }) => ["relay", `${url} (stream ${stream})`] as const),
    ["home", kit.home],
    ["vault", `${kit.vault} (encrypted; opens with the passphrase or the words)`],
    ["made", `${kit.date}, ants ${kit.version}`],
  ];
}
