import { randomBytes } from "node:crypto";
import {
  type AcquireOptions,
  acquirePen,
  ChainStore,
  type ConnectionOptions,
  IdentityLog,
  Outbox,
  type Pen,
  Publisher,
  RelayPool,
  systemPorts,
} from "ants-agent";
import { createIdentity, generateSeed, hex, publicKeyFromSeed } from "ants-agent/keys";
import { nodeDisk } from "ants-agent/keys/node";

export interface AgentKeys {
  readonly did: `did:ants:${string}`;
  readonly seed: Uint8Array;
  readonly genesis: string;
}

/** Founds an identity that names these relays. */
export function foundAgent(relays: readonly { readonly url: string; readonly stream: string }[]): AgentKeys {
  const seed = generateSeed();
  const spare = new Uint8Array(randomBytes(32));
  const { did, line } = createIdentity({
    signSeeds: [seed],
    agree: spare,
    recoveryKeys: [publicKeyFromSeed(generateSeed())],
    escrow: spare,
    relays: relays.map(({ url, stream }) => ({ url, stream })),
    timeMs: Date.now(),
  });
  return { did, seed, genesis: line };
}

export interface TestAgentOptions extends AcquireOptions {
  /** Where its chain and outbox are. */
  readonly folder: string;
  readonly label?: string;
  readonly madeGenesis?: boolean;
  readonly earlierInstances?: ReadonlySet<string>;
  readonly connection?: ConnectionOptions;
}

/** An agent at work on real relays and a real disk, without home and vault. */
export class TestAgent implements AsyncDisposable {
  readonly pen: Pen;
  readonly publisher: Publisher;
  readonly chain: ChainStore;
  readonly instance: string;
  readonly #relays: RelayPool;
  readonly #outbox: Outbox;

  private constructor(
    parts: Pick<TestAgent, "pen" | "publisher" | "chain" | "instance">,
    pool: RelayPool,
    outbox: Outbox,
  ) {
    this.pen = parts.pen;
    this.publisher = parts.publisher;
    this.chain = parts.chain;
    this.instance = parts.instance;
    this.#relays = pool;
    this.#outbox = outbox;
  }

  static async open(keys: AgentKeys, options: TestAgentOptions): Promise<TestAgent> {
    const { folder, label = "test", madeGenesis = true, earlierInstances = new Set<string>() } = options;
    const { did, seed } = keys;
    const identity = new IdentityLog(did, [keys.genesis]);
    const chain = await ChainStore.open({ disk: nodeDisk, folder: `${folder}/chain`, did, keys: identity });
    const outbox = await Outbox.open(nodeDisk, `${folder}/outbox`, systemPorts.clock);
    const relays = new RelayPool(systemPorts, { backoff: { maxMs: 1_000 }, ...options.connection });
    const instance = hex(new Uint8Array(randomBytes(8)));
    try {
      const pen = await acquirePen(
        {
          did,
          seed,
          instance,
          label,
          identity,
          chain,
          outbox,
          relays,
          ports: systemPorts,
          earlierInstances,
          madeGenesis,
          identityGrew: () => Promise.resolve(),
        },
        options,
      );
      const { clock, random } = systemPorts;
      const publisher = new Publisher({ did, seed, pen, clock, random });
      return new TestAgent({ pen, publisher, chain, instance }, relays, outbox);
    } catch (error) {
      await relays.close();
      await outbox.close();
      throw error;
    }
  }

  /** The ids on its chain, from seq 0. */
  ids(): string[] {
    const { head } = this.chain;
    if (head === undefined) return [];
    return Array.from({ length: head.seq + 1 }, (_, seq) => this.chain.tree.chainAt(seq)!.id);
  }

  async close(): Promise<void> {
    await this.publisher.close();
    await this.pen.release();
    await this.#relays.close();
    await this.#outbox.close();
    await this.chain.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The ids of an agent's events on a relay, in its log's order, read without any code of ours but the frame. */
export async function idsOnRelay(url: string, did: string): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; ; ) {
    const answer = await fetch(`${url.replace(/^ws/, "http")}/agents/${did}/entries?from=${from}`);
    if (answer.status === 404) return ids;
    const lines = (await answer.text()).split("\n").slice(1).filter(Boolean);
    if (lines.length === 0) return ids;
    for (const line of lines) ids.push((JSON.parse(line) as { id: string }).id);
    from = ids.length;
  }
}
