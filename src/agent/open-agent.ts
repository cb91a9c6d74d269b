import type { JsonObject } from "../../keys/canonical.js";
import type { HighWater } from "../../keys/node/vault-content.js";
import type { Disk, DiskLock } from "../../keys/ports.js";
import { type AcquireOptions, acquirePen } from "../client/acquire-pen.js";
import { ChainStore } from "../client/chain-store.js";
import { Outbox } from "../client/outbox.js";
import type { Pen } from "../client/pen.js";
import type { PenLoss } from "../client/pen-loss.js";
import type { ClientPorts } from "../client/ports.js";
import { Publisher } from "../client/publisher.js";
import { RelayPool } from "../client/relay-pool.js";
import type { ReadingKeys } from "../protocol/escrow.js";
import type { Event } from "../protocol/event.js";
import { readableBody } from "../protocol/private-body.js";
import type { AgentHome } from "./home.js";
import { drawInstance } from "./instances.js";
import { type LeftBehind, noteTold, untoldSideEvents } from "./left-behind.js";
import type { SecretVault } from "./secret-vault.js";
import { AgentSecretsAtWork } from "./secrets-at-work.js";
import type { SecretAlarm, UsedCredential, UseSecretOptions } from "./use-secret.js";

/** What of an unlocked vault an agent works with. */
export interface AgentSecrets {
  /** Ed25519 seed of the sign key, 32 bytes. */
  readonly signSeed: Uint8Array;
  /** Key of private bodies, 32 bytes. */
  readonly stateKey: Uint8Array;
  /** X25519 secret that messages to this agent are sealed to, 32 bytes. */
  readonly agreeSecret: Uint8Array;
  /** Keys of former eras, to read what was sealed then; newest first. */
  readonly earlier?: readonly ReadingKeys[];
  readonly highWater?: HighWater;
}

export interface OpenAgentOptions extends AcquireOptions {
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
  readonly pen: Pen;
  readonly publisher: Publisher;
  readonly chain: ChainStore;
  readonly disk: Disk;
  readonly readingKeys: readonly ReadingKeys[];
  readonly secrets: AgentSecretsAtWork;
  readonly leftBehind: readonly LeftBehind[];
  /** Gives everything back. */
  readonly release: (highWater: HighWater | undefined) => Promise<void>;
}

/** An agent at work: it holds the pen until {@link lost} resolves or it is closed. */
export class Agent implements AsyncDisposable {
  readonly home: AgentHome;
  readonly pen: Pen;
  readonly publisher: Publisher;
  readonly chain: ChainStore;
  /**
   * What earlier runs in this home signed and no quorum had when another instance took the chain another way: these
   * events are on this disk only, and are published no more. Publish anew what still holds. They are told at every
   * start until {@link leftBehindTold} says that somebody heard.
   */
  readonly leftBehind: readonly LeftBehind[];
  /** The named secrets of its vault. */
  readonly secrets: AgentSecretsAtWork;
  readonly #disk: Disk;
  readonly #readingKeys: readonly ReadingKeys[];
  readonly #release: AgentParts["release"];
  #closing: Promise<void> | undefined;

  constructor({ home, pen, publisher, chain, disk, readingKeys, secrets, leftBehind, release }: AgentParts) {
    this.home = home;
    this.pen = pen;
    this.publisher = publisher;
    this.chain = chain;
    this.leftBehind = leftBehind;
    this.secrets = secrets;
    this.#disk = disk;
    this.#readingKeys = readingKeys;
    this.#release = release;
  }

  get did(): string {
    return this.home.config.did;
  }

  /** Resolves with the reason when the pen is lost or given up; all side effects stop at once. Never rejects. */
  get lost(): Promise<PenLoss> {
    return this.pen.lost;
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
   * The body of an event: of a private one of this agent's own, what was sealed in it. Throws `body-sealed` for
   * somebody else's private body, or one that was altered.
   */
  openBody(event: Event): JsonObject | undefined {
    return readableBody(
      event,
      this.#readingKeys.map(({ stateKey }) => stateKey),
    );
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

  /** Gives up the pen and the home. What some relay lacks is on this disk and goes out with the next run. */
  close(): Promise<void> {
    this.#closing ??= this.#giveUp();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #giveUp(): Promise<void> {
    const { highWater } = this;
    try {
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
    for (const close of closing.reverse()) await close();
  };
  try {
    const { own, earlier } = await drawInstance(disk, layout.instances, ports.random, bootId);
    const chain = await ChainStore.open({ disk, folder: layout.chain, did, keys: identity });
    closing.push(() => chain.close());
    const outbox = await Outbox.open(disk, layout.outbox, ports.clock);
    closing.push(() => outbox.close());
    const relays = new RelayPool(ports);
    closing.push(() => relays.close());
    const { signSeed: seed, stateKey, agreeSecret, earlier: former = [] } = secrets;
    const readingKeys = [{ stateKey, agreeSecret }, ...former];
    const context = {
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
      identityGrew: (operations: Parameters<AgentHome["keepOperations"]>[0]) => home.keepOperations(operations),
    };
    const pen = await acquirePen(context, options);
    closing.push(() => pen.release());
    const leftBehind = await untoldSideEvents(disk, layout.leftBehindTold, chain);
    const { clock, random } = ports;
    const whyAway = (url: string) => relays.whyAway(url);
    const publisher = new Publisher({ did, seed, pen, clock, random, stateKey, whyAway });
    const closed = async (highWater: HighWater | undefined): Promise<void> => {
      try {
        await release();
      } finally {
        await options.closed?.(highWater);
      }
    };
    const atWork = new AgentSecretsAtWork({ vault: options.vault, chain, publisher, clock, random });
    return new Agent({ home, pen, publisher, chain, disk, readingKeys, secrets: atWork, leftBehind, release: closed });
  } catch (error) {
    await release();
    throw error;
  }
}
