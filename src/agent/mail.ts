import { zero } from "../../keys/bytes.js";
import type { JsonObject } from "../../keys/canonical.js";
import type { Disk } from "../../keys/ports.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import type { ChainStore } from "../client/chain-store.js";
import { CursorStore } from "../client/cursor-store.js";
import { Deliveries } from "../client/deliveries.js";
import { DeliveryBook } from "../client/delivery-book.js";
import { Inbox, type InboxOptions } from "../client/inbox.js";
import { InboxStore } from "../client/inbox-store.js";
import { KnownIdentities } from "../client/known-identities.js";
import type { Pen } from "../client/pen.js";
import type { ClientPorts } from "../client/ports.js";
import { isPrivateHost } from "../client/private-hosts.js";
import type { Publisher } from "../client/publisher.js";
import { Resolver } from "../client/resolver.js";
import { type SendOptions, type SentMessage, sendMessage } from "../client/send-message.js";
import { createAuth } from "../protocol/auth.js";
import type { Event } from "../protocol/event.js";
import { isSealedMessage, openMessage } from "../protocol/sealed-message.js";
import type { AgentHome } from "./home.js";

/** The secrets that messages need, of an unlocked vault. */
export interface MailSecrets {
  readonly signSeed: Uint8Array;
  readonly agreeSecret: Uint8Array;
  /** Of earlier eras, newest first. */
  readonly earlier?: readonly { readonly agreeSecret: Uint8Array }[];
}

export interface MailOptions extends SendOptions {
  /** URLs of relays that are asked for the recipients as well, besides the agent's own. */
  readonly via?: readonly string[];
}

interface MailParts {
  readonly disk: Disk;
  readonly ports: ClientPorts;
  readonly home: AgentHome;
  readonly secrets: MailSecrets;
  readonly pen: Pen;
  readonly publisher: Publisher;
  readonly chain: ChainStore;
  /** 16 hex digits: who this run is for relays. */
  readonly instance: string;
}

/** The messages of an agent at work: what it sends, and what it is sent. */
export class AgentMail {
  readonly #parts: MailParts;
  readonly #deliveries: Deliveries;

  private constructor(parts: MailParts, deliveries: Deliveries) {
    this.#parts = parts;
    this.#deliveries = deliveries;
  }

  /** Goes on with the deliveries of earlier runs. Throws disk errors. */
  static async open(parts: MailParts): Promise<AgentMail> {
    const { disk, ports, home, pen, chain } = parts;
    const { identity, config, layout } = home;
    const book = await DeliveryBook.open(disk, layout.deliveries, ports.clock);
    const resolver = resolverOfHome(disk, home, ports);
    return new AgentMail(parts, new Deliveries({ did: config.did, pen, chain, identity, book, resolver, ports }));
  }

  /** What a sealed message says that this agent wrote or was sent; undefined for another body. Throws `message-sealed`. */
  opened(event: Event): JsonObject | undefined {
    return openedMessage(event, this.#parts.home.config.did, this.#parts.secrets);
  }

  send(
    to: string | readonly string[],
    body: JsonObject | string,
    { via = [], ...options }: MailOptions = {},
  ): Promise<SentMessage> {
    const { disk, ports, home, secrets, publisher } = this.#parts;
    const author = { did: home.config.did, agree: x25519PublicKey(secrets.agreeSecret) };
    const context = {
      author,
      publisher,
      deliveries: this.#deliveries,
      resolver: resolverOfHome(disk, home, ports, via),
    };
    const names = typeof to === "string" ? [to] : to;
    return sendMessage(context, names, typeof body === "string" ? { text: body } : body, options);
  }

  inbox(options: InboxOptions = {}): Promise<Inbox> {
    const { disk, ports, home, secrets, instance } = this.#parts;
    const hasWrittenTo = (did: string) => this.#deliveries.hasWrittenTo(did);
    return openInbox({ disk, ports, home, secrets, instance, hasWrittenTo }, options);
  }

  /** The agent holds the pen anew. */
  changePen(pen: Pen): void {
    this.#deliveries.changePen(pen);
  }

  close(): Promise<void> {
    return this.#deliveries.close();
  }
}

/** What reading an inbox needs of a home: neither the pen nor the home's lock. */
export interface InboxParts extends Pick<MailParts, "disk" | "ports" | "home" | "secrets" | "instance"> {
  readonly hasWrittenTo: (did: string) => boolean;
}

/** Opens the inbox of a home. Throws "locked" while another process reads it, and what `Inbox.open` throws. */
export async function openInbox(parts: InboxParts, options: InboxOptions): Promise<Inbox> {
  const { disk, ports, home, secrets, instance, hasWrittenTo } = parts;
  const { did } = home.config;
  const { inbox: folder } = home.layout;
  const store = await InboxStore.open(disk, folder, ports.random);
  // Copies, so that an inbox that is open when the vault is closed reads on until it is closed itself.
  const seed = secrets.signSeed.slice();
  const agreeSecrets = [secrets, ...(secrets.earlier ?? [])].map(({ agreeSecret }) => agreeSecret.slice());
  try {
    const relays = relaysOfHome(home);
    return await Inbox.open(
      {
        did,
        ...relays,
        operations: home.identity.operations(),
        authLine: ({ relay, challenge }) =>
          createAuth({ did, instance, relay, challenge, timeMs: ports.clock.nowMs(), seed }),
        agreeSecrets,
        store,
        cursors: await CursorStore.open(disk, `${folder}/cursors.json`),
        resolver: resolverOfHome(disk, home, ports),
        hasWrittenTo,
        ports,
        closed: () => zero(seed, ...agreeSecrets),
      },
      options,
    );
  } catch (error) {
    zero(seed, ...agreeSecrets);
    await store.close();
    throw error;
  }
}

/** What a sealed message says, for one of its readers; undefined for another body. Throws `message-sealed`. */
export function openedMessage(
  event: Event,
  did: string,
  { agreeSecret, earlier = [] }: Pick<MailSecrets, "agreeSecret" | "earlier">,
): JsonObject | undefined {
  const { body, to } = event;
  if (body === undefined || to === undefined || !isSealedMessage(body)) return undefined;
  const agreeSecrets = [agreeSecret, ...earlier.map((keys) => keys.agreeSecret)];
  return openMessage(body, { did, agreeSecrets }, { ...event, to });
}

/** Finds others, from the agent's own relays on; what it learns of them stays in the home. */
function resolverOfHome(disk: Disk, home: AgentHome, ports: ClientPorts, via: readonly string[] = []): Resolver {
  const { relays } = relaysOfHome(home);
  const known = new KnownIdentities(disk, home.layout.known);
  // Whose relays are all inside of a network knows others there.
  const allowPrivate = relays.length > 0 && relays.every(isPrivateHost);
  return new Resolver({ relays: [...new Set([...relays, ...via])], known, allowPrivate }, ports);
}

/** The relays that the agent's identity names now, and those that it named before, newest first. */
function relaysOfHome({ identity }: AgentHome): { relays: string[]; formerRelays: string[] } {
  const relays = identity.newest?.op.relays.map(({ url }) => url) ?? [];
  const named = identity.operations().reverse();
  const former = named.flatMap(({ op }) => op.relays.map(({ url }) => url));
  return { relays, formerRelays: [...new Set(former)].filter((url) => !relays.includes(url)) };
}
