import type { JsonObject } from "../../keys/canonical.js";
import type { HighWater } from "../../keys/node/vault-content.js";
import type { Disk, DiskLock } from "../../keys/ports.js";
import { type AcquireOptions, acquirePen } from "../client/acquire-pen.js";
import { ChainStore } from "../client/chain-store.js";
import { closedError } from "../client/connection-errors.js";
import { LinkedAbort } from "../client/deadline.js";
import type { Inbox, InboxOptions } from "../client/inbox.js";
import { Outbox } from "../client/outbox.js";
import type { Pen } from "../client/pen.js";
import type { PenContext } from "../client/pen-context.js";
import { type PenLoss, penLost } from "../client/pen-loss.js";
import type { ClientPorts } from "../client/ports.js";
import { Publisher } from "../client/publisher.js";
import { RelayPool } from "../client/relay-pool.js";
import type { SentMessage } from "../client/send-message.js";
import type { ReadingKeys } from "../protocol/escrow.js";
import type { Event, ParsedEvent } from "../protocol/event.js";
import { readableBody } from "../protocol/private-body.js";
import { DraftQueue } from "./draft-queue.js";
import { type HandOverOptions, handOver } from "./hand-over.js";
import type { AgentHome } from "./home.js";
import { drawInstance } from "./instances.js";
import { type LeftBehind, noteTold, untoldSideEvents } from "./left-behind.js";
import { AgentMail, type MailOptions } from "./mail.js";
import { publishQueued } from "./publish-queued.js";
import { unlessAllRefuse } from "./refusals.js";
import type { SecretVault } from "./secret-vault.js";
import { AgentSecretsAtWork } from "./secrets-at-work.js";
import { AgentSteps } from "./steps.js";
import type { SecretAlarm, UsedCredential, UseSecretOptions } from "./use-secret.js";

/** What of an unlocked vault an agent works with. */
export interface AgentSecrets {
  /** Ed25519 seed of the sign key, 32 bytes. */
  readonly signSeed: Uint8Array;
  /** X25519 secret that messages to this agent are sealed for, 32 bytes. */
  readonly agreeSecret: Uint8Array;
  /** Key of private bodies, 32 bytes. */
  readonly stateKey: Uint8Array;
  /** Keys of former eras, to read what was sealed then; newest first. */
  readonly earlier?: readonly ReadingKeys[];
  readonly highWater?: HighWater;
}

/** How an agent gets its pen; see {@link AcquireOptions}. */
export interface OpeningOptions extends Omit<AcquireOptions, "handover"> {
  /**
   * This run's instance, 16 hex digits, drawn before it was started: only what a hand-over names may be given, for one
   * start. Any other start draws its own.
   */
  readonly instance?: string;
  /** Id of the event by which the holder handed over to `instance`. */
  readonly handover?: string;
  /** Throws `no-quorum` early where every relay refuses to be connected to: see {@link unlessAllRefuse}. */
  readonly unlessAllRefuse?: boolean;
}

export interface OpenAgentOptions extends OpeningOptions {
  readonly disk: Disk;
  readonly ports: ClientPorts;
  readonly home: AgentHome;
  /** The home's lock; it is released when the agent is closed, or when opening fails. */
  readonly lock: DiskLock;
  readonly secrets: AgentSecrets;
  /** The vault itself, for named secrets; without it there are none. */
  readonly vault?: SecretVault;
  /** See {@link drawInstance}. */
  readonly bootId?: string;
  /** Runs when the agent has been closed and has given everything back, with its last committed event. */
  readonly closed?: (highWater: HighWater | undefined) => Promise<void>;
}

interface AgentParts {
  readonly home: AgentHome;
  readonly context: PenContext;
  readonly pen: Pen;
  readonly publisher: Publisher;
  readonly chain: ChainStore;
  readonly disk: Disk;
  readonly readingKeys: readonly ReadingKeys[];
  readonly secrets: AgentSecretsAtWork;
  readonly mail: AgentMail;
  readonly leftBehind: readonly LeftBehind[];
  readonly queuePublished: number;
  readonly queueDamaged: readonly string[];
  /** Gives everything back. */
  readonly release: (highWater: HighWater | undefined) => Promise<void>;
}

/** An agent at work: it holds the pen until {@link lost} resolves or it is closed. */
export class Agent implements AsyncDisposable {
  readonly home: AgentHome;
  /** What the pen is held with; for {@link changeIdentity} and the like, which act as this agent. */
  readonly context: PenContext;
  readonly publisher: Publisher;
  readonly chain: ChainStore;
  /** Resolves with the reason when the pen is lost or given up; all side effects stop at once. Never rejects. */
  readonly lost: Promise<PenLoss>;
  /**
   * What earlier runs in this home signed and no quorum had when another instance took the chain another way: these
   * events are on this disk only, and are published no more. Publish anew what still holds. They are told at every
   * start until {@link leftBehindTold} says that somebody heard.
   */
  readonly leftBehind: readonly LeftBehind[];
  /** How many events that had waited for a quorum this start published, before anything else. */
  readonly queuePublished: number;
  /** Paths of files of that queue that are no events any more: they are set aside and not published. */
  readonly queueDamaged: readonly string[];
  /** The named secrets of its vault. */
  readonly secrets: AgentSecretsAtWork;
  /** Its effects, each with its intent before and its outcome after it on the chain: see {@link AgentSteps.run}. */
  readonly steps: AgentSteps;
  readonly #disk: Disk;
  readonly #readingKeys: readonly ReadingKeys[];
  readonly #mail: AgentMail;
  readonly #release: AgentParts["release"];
  #pen: Pen;
  #isChangingPen = false;
  /** Changes of the pen under way. */
  readonly #changing = new Set<{ readonly abort: LinkedAbort; readonly over: Promise<unknown> }>();
  #resolveLost: (loss: PenLoss) => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(parts: AgentParts) {
    const { home, context, pen, publisher, chain, disk, readingKeys, secrets, mail, leftBehind, release } = parts;
    this.home = home;
    this.context = context;
    this.#pen = pen;
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    this.#watch(pen);
    this.publisher = publisher;
    this.chain = chain;
    this.leftBehind = leftBehind;
    this.queuePublished = parts.queuePublished;
    this.queueDamaged = parts.queueDamaged;
    this.secrets = secrets;
    this.#disk = disk;
    this.#readingKeys = readingKeys;
    const stateKeys = readingKeys.map(({ stateKey }) => stateKey);
    this.steps = new AgentSteps({ did: home.config.did, chain, publisher, pen: () => this.#pen, stateKeys });
    this.#mail = mail;
    this.#release = release;
  }

  get did(): string {
    return this.home.config.did;
  }

  /** The turn of holding the pen that is under way; another one after {@link changePen}. */
  get pen(): Pen {
    return this.#pen;
  }

  /**
   * Gives the pen up and claims it anew, in a new epoch, on a quorum of every relay set that counts by now. What is
   * published meanwhile waits and goes out in the new epoch. Throws what `Publisher.changePen` and `acquirePen` throw;
   * where the new pen cannot be had, {@link lost} resolves and the agent is to be closed. Closing the agent ends it
   * (`closed`).
   */
  async changePen(options: AcquireOptions = {}): Promise<void> {
    // A claim that outlives the agent would be written to a chain whose lock another process has by then.
    const abort = new LinkedAbort(options.signal);
    if (this.#closing !== undefined) abort.abort(closedError("the agent"));
    const change = this.#changeTo({ ...options, signal: abort.signal });
    const changing = { abort, over: change.catch(() => undefined) };
    this.#changing.add(changing);
    try {
      await change;
    } finally {
      this.#changing.delete(changing);
      abort.dispose();
    }
  }

  async #changeTo(options: AcquireOptions): Promise<void> {
    const exchange = async (): Promise<Pen> => {
      this.#isChangingPen = true;
      try {
        const before = this.#pen;
        await before.release();
        if (before.loss!.reason !== "released") throw penLost(before.loss!);
        this.#pen = await acquirePen(this.context, options);
      } catch (error) {
        this.#resolveLost(this.#pen.loss!);
        throw error;
      } finally {
        this.#isChangingPen = false;
      }
      this.#watch(this.#pen);
      this.#mail.changePen(this.#pen);
      return this.#pen;
    };
    await this.publisher.changePen(exchange, options.signal);
  }

  /**
   * Hands the pen over to an instance that waits for it elsewhere: see {@link handOver} for what it resolves with and
   * throws. This agent writes nothing more then; close it.
   */
  handOver(options: HandOverOptions): Promise<ParsedEvent> {
    return handOver(this, options);
  }

  /** The last event that a quorum has: what the vault remembers, to know an old copy of this home by. */
  get highWater(): HighWater | undefined {
    const { committedSeq } = this.pen;
    const event = committedSeq < 0 ? undefined : this.chain.tree.chainAt(committedSeq);
    return event === undefined ? undefined : { epoch: event.epoch, seq: event.seq, id: event.id };
  }

  /** Somebody was told of {@link leftBehind}: the next start tells nothing of these. Throws disk errors. */
  leftBehindTold(): Promise<void> {
    return noteTold(this.#disk, this.home.layout.leftBehindTold, this.leftBehind);
  }

  /**
   * The body of an event: of a private one of this agent's own, or a sealed message that it wrote or was sent, what was
   * sealed in it. Throws `body-sealed` for somebody else's private body, `message-sealed` for a message between others,
   * either for one that was altered.
   */
  openBody(event: Event): JsonObject | undefined {
    const stateKeys = this.#readingKeys.map(({ stateKey }) => stateKey);
    return this.#mail.opened(event) ?? readableBody(event, stateKeys);
  }

  /** Runs `work` with a secret of the vault, with fall-back; see {@link AgentSecretsAtWork.use}. */
  useSecret<T>(
    name: string,
    work: (value: Uint8Array, credential: UsedCredential) => Promise<T> | T,
    options?: UseSecretOptions,
  ): Promise<T> {
    return this.secrets.use(name, work, options);
  }

  /** Tells of every alarm from now on, until the returned function is called. */
  onAlarm(listener: (alarm: SecretAlarm) => void): () => void {
    return this.secrets.onAlarm(listener);
  }

  /**
   * Seals a message to some agents (DIDs or handles, 1 to 16), publishes it, and has it brought to their relays: see
   * `sendMessage` for what it resolves with and throws. A body that is a text becomes `{text}`.
   */
  send(to: string | readonly string[], body: JsonObject | string, options?: MailOptions): Promise<SentMessage> {
    return this.#mail.send(to, body, options);
  }

  /**
   * The messages to this agent, verified and opened: see {@link Inbox}. One at a time in a home; throws "locked" while
   * another reads. Also throws `inbox-changed`, `inbox-damaged`, disk errors.
   */
  inbox(options?: InboxOptions): Promise<Inbox> {
    return this.#mail.inbox(options);
  }

  /** Gives up the pen and the home. What some relay lacks is on this disk and goes out with the next run. */
  close(): Promise<void> {
    this.#closing ??= this.#giveUp();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A pen that is exchanged for the next one is not lost. */
  #watch(pen: Pen): void {
    void pen.lost.then((loss) => {
      if (loss.reason !== "released" || !this.#isChangingPen) this.#resolveLost(loss);
    });
  }

  async #giveUp(): Promise<void> {
    const { highWater } = this;
    try {
      for (const { abort } of this.#changing) abort.abort(closedError("the agent"));
      await Promise.all([...this.#changing].map(({ over }) => over));
      await this.publisher.close();
      await this.pen.release();
    } finally {
      await this.#release(highWater);
    }
  }
}

/**
 * Brings an agent to work in its home: reads its chain, connects to its relays, and claims the pen.
 *
 * Throws what acquirePen throws (`held`, `no-quorum`, `key-not-live` …), `chain-damaged`, disk errors; the home is as
 * usable as before then, and its lock is released.
 */
export async function openAgent(options: OpenAgentOptions): Promise<Agent> {
  const { disk, ports, home, lock, secrets, bootId } = options;
  const { did, label, founded } = home.config;
  const { layout, identity } = home;
  const closing: (() => Promise<void>)[] = [() => lock.release()];
  const release = async () => {
    // Each of them, whatever the ones before it throw: the lock is the last.
    const failures: unknown[] = [];
    for (const close of closing.reverse()) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    const { own, earlier } = await drawInstance(disk, layout.instances, ports.random, bootId, options.instance);
    const chain = await ChainStore.open({ disk, folder: layout.chain, did, keys: identity });
    closing.push(() => chain.close());
    const outbox = await Outbox.open(disk, layout.outbox, ports.clock);
    closing.push(() => outbox.close());
    const relays = new RelayPool(ports);
    closing.push(() => relays.close());
    const { signSeed: seed, stateKey, agreeSecret, earlier: former = [] } = secrets;
    const readingKeys = [{ stateKey, agreeSecret }, ...former];
    const context: PenContext = {
      did,
      seed,
      instance: own,
      label,
      identity,
      chain,
      outbox,
      relays,
      ports,
      earlierInstances: earlier,
      madeGenesis: founded,
      readingKeys,
      ...(secrets.highWater === undefined ? {} : { knownEpoch: secrets.highWater.epoch }),
      identityGrew: (operations) => home.keepOperations(operations),
    };
    const { handover: event, ...acquire } = options;
    const handover = event === undefined ? {} : { handover: { event, instance: own } };
    const claim = (signal: AbortSignal | undefined) =>
      acquirePen(context, { ...acquire, ...handover, ...(signal === undefined ? {} : { signal }) });
    const urls = identity.newest?.op.relays.map(({ url }) => url) ?? [];
    const watch = { did, relays, urls, clock: ports.clock, signal: acquire.signal };
    const pen = await (options.unlessAllRefuse === true ? unlessAllRefuse(watch, claim) : claim(acquire.signal));
    closing.push(() => pen.release());
    const leftBehind = await untoldSideEvents(disk, layout.leftBehindTold, chain);
    const { clock, random } = ports;
    const whyAway = (url: string) => relays.whyAway(url);
    const publisher = new Publisher({ did, seed, pen, clock, random, stateKey, whyAway });
    const mail = await AgentMail.open({ disk, ports, home, secrets, pen, publisher, chain, instance: own });
    closing.push(() => mail.close());
    const closed = async (highWater: HighWater | undefined): Promise<void> => {
      try {
        await release();
      } finally {
        await options.closed?.(highWater);
      }
    };
    const queue = new DraftQueue(disk, layout.drafts);
    const queuePublished = await publishQueued(queue, { publisher, chain }, { clock, signal: options.signal });
    const atWork = new AgentSecretsAtWork({ vault: options.vault, chain, publisher, clock, random });
    return new Agent({
      home,
      context,
      pen,
      publisher,
      chain,
      disk,
      readingKeys,
      secrets: atWork,
      mail,
      leftBehind,
      queuePublished,
      queueDamaged: await queue.damaged(),
      release: closed,
    });
  } catch (error) {
    await release();
    throw error;
  }
}
