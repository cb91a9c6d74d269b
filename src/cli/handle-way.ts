import { parseHandle } from "../../keys/identity/handle.js";
import { handleHostOf } from "../../relay/relay-urls.js";
import type { Asked } from "../client/resolved-agent.js";
import { RELAY_REL } from "../protocol/webfinger.js";

/** The agent that a handle is to lead to, and where it is. */
export interface HandleTarget {
  readonly did: string;
  /** URLs. */
  readonly relays: readonly string[];
}

/** The most bytes of one string of a TXT record (RFC 1035 section 3.3); readers join the strings of a record. */
const TXT_STRING = /.{1,255}/g;

/** Whether one of these relays gives the handle itself, by taking the update that lists it (DESIGN 10). */
export function isGivenByRelay(text: string, { relays }: HandleTarget): boolean {
  const at = text.indexOf("@");
  return at > 0 && relays.some((url) => text.slice(at + 1) === handleHostOf(url));
}

/** Whether somebody who can say whose a handle is named the agent, whatever its identity says. */
export function isAnswered(asked: readonly Asked[], { did }: HandleTarget): boolean {
  return asked.some((each) => each.answer === "did" && each.place !== "cache" && each.did === did);
}

/** What has to stand where, so that a handle leads to the agent: a line each, of which one is enough. */
export function waysToPublish(text: string, { did, relays }: HandleTarget): string[] {
  const handle = parseHandle(text)!;
  if (handle.kind === "account") {
    const host = text.slice(text.indexOf("@") + 1);
    const links = relays.map((href) => ({ rel: RELAY_REL, href }));
    const document = JSON.stringify({ subject: `acct:${text}`, aliases: [did], links });
    return [`https://${host}/.well-known/webfinger?resource=acct:${text} as application/jrd+json: ${document}`];
  }
  const hint = [`did=${did}`, ...relays.map((url) => `relay=${url}`)].join(" ");
  const strings = hint.match(TXT_STRING)!.map((string) => `"${string}"`);
  return [
    `the DNS record _ants.${handle.host}. TXT ${strings.join(" ")}`,
    `https://${handle.host}/.well-known/ants-did as text/plain: ${hint}`,
  ];
}
