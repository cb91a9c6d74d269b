import type { JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { decodeMultikey } from "../../keys/multikey.js";
import type { MessageReader } from "../protocol/sealed-message.js";
import type { Deliveries } from "./deliveries.js";
import type { RecipientResult } from "./letter.js";
import type { Publication, PublishedEvent, PublishOptions } from "./publication.js";
import type { Publisher } from "./publisher.js";
import type { ResolvedAgent } from "./resolved-agent.js";
import type { Resolver } from "./resolver.js";

/** What a message is unless it says otherwise. */
export const MESSAGE_KIND = "message";

export interface SendOptions extends PublishOptions {
  /** Default `message`. */
  readonly kind?: string;
  /** Public, as everything of an event but its body. */
  readonly tags?: readonly string[];
  /** How long to wait for the recipients' relays once the message is published. Default 10 s; 0 does not wait. */
  readonly deliverMs?: number;
}

/** One recipient, and what became of the message for it. */
export interface SentTo extends RecipientResult {
  /** The handle that was named; it is the recipient's, as both sides say. */
  readonly handle?: string;
  /** Why its identity may be out of date: its own relays did not confirm it just now. */
  readonly stale?: string;
}

export interface SentMessage extends Pick<PublishedEvent, "id" | "epoch" | "seq"> {
  /** On the agent's own relays. */
  readonly publication: Publication;
  readonly recipients: readonly SentTo[];
}

export interface SendContext {
  /** The sender, with the public key of its agree key. */
  readonly author: MessageReader;
  readonly publisher: Publisher;
  readonly deliveries: Deliveries;
  readonly resolver: Pick<Resolver, "resolve">;
}

const DELIVER_MS = 10_000;

/** Somebody to whom a message can be sealed. */
interface Addressee extends MessageReader {
  readonly relays: readonly RelayAddress[];
  readonly handle?: string;
  readonly stale?: string;
}

/**
 * Seals a body to some agents, publishes it, and has it brought to their relays. `names`: DIDs and handles, 1 to 16.
 * Resolves when it is published at the wanted durability and every recipient has it on one of its relays, or all of them
 * were tried, or `deliverMs` passed: what is left then is tried on, also by later runs.
 *
 * Throws, with nothing signed, `recipient-unknown` and `recipient-unreachable`, `message-recipients`, `message-too-long`;
 * what `publish` throws; `name-syntax`.
 */
export async function sendMessage(
  context: SendContext,
  names: readonly string[],
  body: JsonObject,
  options: SendOptions = {},
): Promise<SentMessage> {
  const { author, publisher, deliveries } = context;
  const { kind = MESSAGE_KIND, tags, deliverMs = DELIVER_MS, durability, signal } = options;
  const addressees = await Promise.all(names.map((name) => findAddressee(context, name, signal)));
  const to = addressees.map(({ did }) => did);
  const draft = { kind, body, to, sealTo: [...addressees, author], ...(tags === undefined ? {} : { tags }) };
  const publication = await publisher.publish([draft], {
    ...(durability === undefined ? {} : { durability }),
    ...(signal === undefined ? {} : { signal }),
  });
  const { id, epoch, seq } = publication.events[0]!;
  for (const { did, relays } of addressees) deliveries.met(did, relays);
  const wait = { timeoutMs: deliverMs, ...(signal === undefined ? {} : { signal }) };
  if (deliverMs > 0) await deliveries.settled(id, seq, wait);
  const results = deliveries.results(id);
  const recipients = addressees.map(({ did, handle, stale }) => ({
    ...(results?.find((result) => result.did === did) ?? { did, delivered: false, relays: {} }),
    ...(handle === undefined ? {} : { handle }),
    ...(stale === undefined ? {} : { stale }),
  }));
  return { id, epoch, seq, publication, recipients };
}

/** Who a name is now, verified; asked for anew, since the key that it is sealed to may have changed. */
async function findAddressee(
  { resolver }: SendContext,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Addressee> {
  const found = await resolver.resolve(name, { fresh: true, ...(signal === undefined ? {} : { signal }) });
  switch (found.status) {
    case "verified":
    case "stale":
    case "contested": {
      const { did, handle, relays, state } = found;
      const { publicKey } = decodeMultikey(state.head.op.keys.agree);
      return {
        did: did as Did,
        agree: publicKey,
        relays,
        ...(handle === undefined ? {} : { handle }),
        ...(found.status === "stale" ? { stale: found.why } : {}),
      };
    }
    default:
      throw notFound(name, found);
  }
}

function notFound(
  name: string,
  found: Exclude<ResolvedAgent, { status: "verified" | "stale" | "contested" }>,
): AntsError {
  const details = { name, status: found.status, ...("did" in found ? { did: found.did } : {}) };
  if (found.status === "unreachable") {
    return new AntsError("recipient-unreachable", `nobody could say who ${name} is: ${found.why}`, {
      hint: "try again later, or name a relay that knows the recipient with --relay",
      details,
    });
  }
  const why = {
    deactivated: "its owner ended this identity",
    conflicted: "its identity is disputed, and nothing tells who holds it",
    "not-found": "no such agent is known there",
    mismatch: "the name leads to an agent that does not call itself so",
  }[found.status];
  return new AntsError("recipient-unknown", `${name} cannot be written to: ${why}`, {
    hint: `look at it: ants resolve ${name}`,
    details,
  });
}
