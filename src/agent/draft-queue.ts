import { base64url, fromBase64url, fromUtf8, hex, utf8 } from "../../keys/bytes.js";
import { canonicalize, type JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import type { Disk, Random } from "../../keys/ports.js";
import type { ChainStore } from "../client/chain-store.js";
import type { PublishDraft } from "../client/publication.js";
import type { Publisher } from "../client/publisher.js";
import { createBatch } from "../protocol/batch.js";
import { KIND, parseEvent } from "../protocol/event.js";
import { BYTES16, isInteger, isText } from "../protocol/grammar.js";
import { DEFAULT_LIMITS, SALT_BYTES } from "../protocol/limits.js";
import { sealBody } from "../protocol/private-body.js";

/** What may wait for a quorum: no sealed message, whose recipients' keys may change meanwhile. */
export type QueuedDraft = Omit<PublishDraft, "sealTo" | "salt">;

interface Entry {
  readonly name: string;
  /** The draft's own id: the salt of its event, by which the chain tells that it was signed. */
  readonly salt: string;
  /** Where the chain stood when it was queued: its event is of a later epoch, unless a rotate came between. */
  readonly afterEpoch: number;
  readonly rotations: number;
  readonly draft: QueuedDraft;
}

const NAME = /^(\d{10})\.json$/;
/** A file that is no draft any more keeps its number, which no later draft gets. */
const DAMAGED = /^(\d{10})\.json\.damaged$/;

/**
 * Drafts that were written while no quorum was there, one file each, in order. Nothing of them is signed; the next turn
 * of holding the pen publishes them before anything else, and each once: a draft's event carries the draft's id as its
 * salt, so a crash between signing and removing the file is seen in the chain. Call with the home's lock held.
 */
export class DraftQueue {
  readonly #disk: Disk;
  readonly #folder: string;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** How many wait. Throws disk errors. */
  async size(): Promise<number> {
    return (await this.#names()).length;
  }

  /** Paths of the files that were no drafts when they were to be published; somebody should look. Throws disk errors. */
  async damaged(): Promise<string[]> {
    const names = (await this.#disk.list(this.#folder)).filter((name) => DAMAGED.test(name));
    return names.map((name) => this.#path(name));
  }

  /**
   * Keeps a draft, durably; returns its number in the queue. Throws `event-grammar`, `event-too-long` and the like for a
   * draft that makes no event, disk errors.
   */
  async add(did: Did, draft: QueuedDraft, { chain, random }: { chain: ChainStore; random: Random }): Promise<number> {
    requireEvent(did, draft, random);
    const names = await this.#disk.list(this.#folder);
    const number = Math.max(0, ...names.map((name) => Number((NAME.exec(name) ?? DAMAGED.exec(name))?.[1] ?? 0))) + 1;
    const salt = base64url(random.bytes(SALT_BYTES));
    const entry = { v: 1, salt, afterEpoch: chain.head?.epoch ?? 0, rotations: chain.tree.keys.rotations, draft };
    await this.#disk.mkdir(this.#folder);
    await this.#disk.replace(
      this.#path(`${String(number).padStart(10, "0")}.json`),
      utf8(`${canonicalize(entry as unknown as JsonObject)}\n`),
    );
    return number;
  }

  /**
   * Publishes what waits, in order, and forgets each draft when a quorum has its event; returns how many were published.
   * A file that is no draft is set aside, see {@link damaged}: it keeps nobody from working. Throws what
   * `Publisher.publish` throws: then the rest waits on.
   */
  async publish(publisher: Publisher, chain: ChainStore, signal?: AbortSignal): Promise<number> {
    const entries: Entry[] = [];
    for (const name of await this.#names()) {
      const entry = await this.#read(name);
      if (entry !== undefined) entries.push(entry);
    }
    if (entries.length === 0) return 0;
    const isRotated = entries.some(({ rotations }) => rotations !== chain.tree.keys.rotations);
    const signed = await saltsAfter(chain, isRotated ? 0 : Math.min(...entries.map(({ afterEpoch }) => afterEpoch)));
    const waiting = entries.filter(({ salt }) => !signed.has(salt));
    const publications = waiting.map(({ draft, salt }) =>
      publisher.publish([{ ...draft, salt: fromBase64url(salt, SALT_BYTES) }], signal === undefined ? {} : { signal }),
    );
    const settled = await Promise.allSettled(publications);
    for (const entry of entries) {
      const outcome = settled[waiting.indexOf(entry)];
      if (outcome === undefined || outcome.status === "fulfilled") await this.#disk.remove(this.#path(entry.name));
    }
    for (const outcome of settled) if (outcome.status === "rejected") throw outcome.reason;
    return waiting.length;
  }

  async #names(): Promise<string[]> {
    return (await this.#disk.list(this.#folder)).filter((name) => NAME.test(name));
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** Undefined for what is no draft: it lies under another name then, byte for byte. */
  async #read(name: string): Promise<Entry | undefined> {
    const path = this.#path(name);
    const bytes = (await this.#disk.read(path)) ?? new Uint8Array();
    const entry = parseEntry(name, bytes);
    if (entry !== undefined) return entry;
    await this.#disk.replace(`${path}.damaged`, bytes);
    await this.#disk.remove(path);
    return undefined;
  }
}

function parseEntry(name: string, bytes: Uint8Array): Entry | undefined {
  try {
    const { salt, afterEpoch, rotations, draft } = JSON.parse(fromUtf8(bytes)) as Entry;
    const isPlaced = isInteger(afterEpoch, 0) && isInteger(rotations, 0);
    if (!isPlaced || !isText(salt, BYTES16) || !isText(draft?.kind, KIND)) return undefined;
    return { name, salt, afterEpoch, rotations, draft };
  } catch {
    return undefined;
  }
}

/** The salts of the chain's events of later epochs than this. */
async function saltsAfter(chain: ChainStore, epoch: number): Promise<ReadonlySet<string>> {
  const salts = new Set<string>();
  const limits = { maxBytes: DEFAULT_LIMITS.maxFrameBytes, maxEntries: DEFAULT_LIMITS.maxFrameEntries };
  let first = chain.head;
  while (first?.prev !== undefined && first.epoch > epoch) first = chain.tree.before(first);
  for (let from = first?.seq ?? 0; from <= (chain.head?.seq ?? -1); ) {
    const lines = await chain.read(from, limits);
    if (lines.length === 0) break;
    for (const line of lines) {
      const { salt } = parseEvent(line).event;
      if (salt !== undefined) salts.add(salt);
    }
    from += lines.length;
  }
  return salts;
}

/** A draft that makes no event would stand in the way of the others for good: it is tried out with a key of no one. */
function requireEvent(did: Did, { kind, body, to, tags, private: isPrivate }: QueuedDraft, random: Random): void {
  const place = { did, epoch: 1, seq: 1, kind, ...(to === undefined ? {} : { to }) };
  const sealed = isPrivate === true ? sealBody(body, random.bytes(32), place, random) : body;
  createBatch({
    did,
    seed: random.bytes(32),
    epoch: Number.MAX_SAFE_INTEGER,
    after: { epoch: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER - 1, id: hex(random.bytes(32)) },
    drafts: [
      {
        kind,
        body: sealed,
        timeMs: 0,
        salt: true,
        ...(to === undefined ? {} : { to }),
        ...(tags === undefined ? {} : { tags }),
      },
    ],
    random,
  });
}
