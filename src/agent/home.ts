import { parse as parseToml, stringify as stringifyToml } from "smol-toml";
import { concat, fromUtf8, utf8 } from "../../keys/bytes.js";
import { type Did, isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { type ParsedOperation, parseOperation } from "../../keys/identity/operation.js";
import type { Disk, DiskLock } from "../../keys/ports.js";
import { IdentityLog } from "../client/identity-log.js";

/** What `.ants/config.toml` says. No path of this host is among it: a home works wherever it is copied. */
export interface HomeConfig {
  readonly did: Did;
  /** What this agent's instances are called in claims; for people. */
  readonly label: string;
  /** The genesis was made here: only in such a home may the chain begin. */
  readonly founded: boolean;
}

/** Where things are in an agent home. */
export function homeLayout(home: string) {
  const state = `${home}/.ants`;
  return {
    state,
    config: `${state}/config.toml`,
    identity: `${state}/identity.ndjson`,
    proposed: `${state}/identity.proposed`,
    chain: `${state}/chain`,
    outbox: `${state}/outbox`,
    drafts: `${state}/outbox/drafts`,
    deliveries: `${state}/outbox/messages/deliveries.json`,
    inbox: `${state}/inbox`,
    cursors: `${state}/cursors.json`,
    known: `${state}/known`,
    instances: `${state}/instances.ndjson`,
    leftBehindTold: `${state}/left-behind-told`,
    lock: `${state}/lock`,
    dormant: `${state}/dormant.json`,
  };
}

const CONFIG_NOTE = "# An agent's home. The key is not here: it is in the vault.\n";

/** An agent's home as it lies on a disk: which agent, and what is known of its identity. Reading it needs no key. */
export class AgentHome {
  readonly path: string;
  readonly config: HomeConfig;
  readonly identity: IdentityLog;
  readonly #disk: Disk;
  #keeping: Promise<unknown> = Promise.resolve();

  private constructor(disk: Disk, path: string, config: HomeConfig, identity: IdentityLog) {
    this.#disk = disk;
    this.path = path;
    this.config = config;
    this.identity = identity;
  }

  /** Makes the home of a new identity. Throws "home-exists" where there is an agent already, disk errors. */
  static async create(disk: Disk, path: string, config: HomeConfig, genesis: Uint8Array): Promise<AgentHome> {
    const layout = homeLayout(path);
    if ((await disk.read(layout.config)) !== undefined) {
      throw new AntsError("home-exists", `${path} is already the home of an agent`, {
        hint: "choose another folder with --home; an identity is never overwritten",
      });
    }
    await disk.mkdir(layout.state);
    await disk.replace(layout.identity, concat(genesis, NEWLINE));
    // Last: a home without it is no home, so a crash before leaves nothing that could be mistaken for one.
    await disk.replace(layout.config, utf8(CONFIG_NOTE + stringifyToml({ ...config })));
    return AgentHome.open(disk, path);
  }

  /** Throws "home-missing", "home-damaged" (the configuration or the identity log cannot be read), disk errors. */
  static async open(disk: Disk, path: string): Promise<AgentHome> {
    const layout = homeLayout(path);
    const text = await disk.read(layout.config);
    if (text === undefined) {
      throw new AntsError("home-missing", `there is no agent in ${path}`, {
        hint: "name its folder with --home or ANTS_HOME, or get it back with ants recover, ants join or from a copy; a new agent begins with ants keygen",
      });
    }
    const config = readConfig(layout.config, text);
    const operations = readOperations(layout.identity, (await disk.read(layout.identity)) ?? new Uint8Array());
    const identity = IdentityLog.learnt(config.did, operations);
    if (identity.newest === undefined && identity.resolution.status === "not-found") {
      throw damaged(layout.identity, `it holds no genesis of ${config.did}`);
    }
    return new AgentHome(disk, path, config, identity);
  }

  get layout(): ReturnType<typeof homeLayout> {
    return homeLayout(this.path);
  }

  /** One process a host works in a home at a time. Throws "locked" with who it is. */
  lock(): Promise<DiskLock> {
    return this.#disk.lock(this.layout.lock);
  }

  /** Takes in operations from elsewhere, durably. */
  async learn(operations: Iterable<ParsedOperation>): Promise<void> {
    await this.learning(async () => {
      for (const operation of operations) this.identity.add(operation);
    });
  }

  /** Runs what lets `identity` grow, and keeps what it learnt, durably. */
  async learning<T>(work: () => Promise<T>): Promise<T> {
    const before = new Set(this.identity.operations());
    try {
      return await work();
    } finally {
      const learnt = this.identity.operations().filter((operation) => !before.has(operation));
      if (learnt.length > 0) await this.keepOperations(learnt);
    }
  }

  /**
   * The update that waits for the word of a relay whose handle it takes, where there is one: signed, durable, and not
   * yet the agent's (docs/decisions/0015). Throws "home-damaged", disk errors.
   */
  async proposed(): Promise<ParsedOperation | undefined> {
    const line = await this.#disk.read(this.layout.proposed);
    if (line === undefined) return undefined;
    try {
      return parseOperation(line);
    } catch (cause) {
      throw damaged(this.layout.proposed, "it is no identity operation", cause);
    }
  }

  /** Keeps an update as proposed, durably. */
  propose(operation: ParsedOperation): Promise<void> {
    return this.#disk.replace(this.layout.proposed, operation.line);
  }

  /** It was taken, or will never be. */
  forgetProposed(): Promise<void> {
    return this.#disk.remove(this.layout.proposed);
  }

  /** Keeps operations that were learnt or made, durably. Call with the lock held. Throws disk errors. */
  keepOperations(operations: readonly ParsedOperation[]): Promise<void> {
    // Several relays may teach at once: half of what one call appends is no torn end for the next one to cut.
    const kept = this.#keeping.then(() => this.#append(operations));
    this.#keeping = kept.catch(() => undefined);
    return kept;
  }

  async #append(operations: readonly ParsedOperation[]): Promise<void> {
    const path = this.layout.identity;
    // What a crash tore off while it was appended must not run into the first of these.
    const before = (await this.#disk.read(path)) ?? new Uint8Array();
    const whole = before.lastIndexOf(NEWLINE[0]!) + 1;
    if (whole < before.length) await this.#disk.truncate(path, whole);
    await this.#disk.append(path, concat(...operations.flatMap(({ line }) => [line, NEWLINE])));
  }
}

const NEWLINE = Uint8Array.of(0x0a);

function readConfig(path: string, bytes: Uint8Array): HomeConfig {
  let values: Record<string, unknown>;
  try {
    values = parseToml(fromUtf8(bytes));
  } catch (cause) {
    throw damaged(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { did, label, founded } = values;
  if (!isDid(did)) throw damaged(path, "did: expected did:ants:…");
  return { did, label: typeof label === "string" ? label : "agent", founded: founded === true };
}

/**
 * The configuration of a restored copy of a home: the same, but its genesis was not made here, so its chain can never
 * begin a second time. Throws "home-damaged". `path` is for the message.
 */
export function configOfCopy(path: string, bytes: Uint8Array): Uint8Array {
  readConfig(path, bytes);
  return utf8(CONFIG_NOTE + stringifyToml({ ...parseToml(fromUtf8(bytes)), founded: false }));
}

/** Whole lines only: a last line without its newline was torn by a crash while it was appended. */
function readOperations(path: string, bytes: Uint8Array): ParsedOperation[] {
  const operations: ParsedOperation[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    try {
      operations.push(parseOperation(bytes.subarray(start, end)));
    } catch (cause) {
      throw damaged(path, `line ${operations.length + 1} is no identity operation`, cause);
    }
    start = end + 1;
  }
  return operations;
}

function damaged(path: string, why: string, cause?: unknown): AntsError {
  return new AntsError("home-damaged", `${path}: ${why}`, {
    hint: "restore this file from a backup; the chain and the vault are files of their own",
    ...(cause === undefined ? {} : { cause }),
  });
}
