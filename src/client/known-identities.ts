import { concat } from "../../keys/bytes.js";
import { assertDid, type Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { type ParsedOperation, parsedOrNothing } from "../../keys/identity/operation.js";
import type { Disk } from "../../keys/ports.js";
import { splitLines } from "./lines.js";

/** What was known of an agent's identity when it was last verified. */
export interface Pin {
  /** Each after its parent. */
  readonly operations: readonly ParsedOperation[];
  /** Hash of the operation that spoke for the identity; one of `operations`. */
  readonly head: string;
}

/**
 * Where the newest verified state of every agent that was met is kept: {@link KnownIdentities} on a disk, or something
 * of a browser's own. It is no cache: what is forgotten here can be withheld from this reader.
 */
export interface PinStore {
  /** Undefined for an agent that was never met. */
  load(did: Did): Promise<Pin | undefined>;
  /** Durable when it resolves. `before`: what {@link load} gave, of which `now` is a continuation. */
  save(did: Did, now: Pin, before: Pin | undefined): Promise<void>;
}

const NEWLINE = Uint8Array.of(0x0a);

/**
 * Pins as files, `<folder>/<the DID's own part>.ndjson`: identity operations, appended as they are learnt, the one that
 * spoke for the identity last. Nothing is ever taken out, so of two processes that write at once neither undoes what
 * the other learnt.
 */
export class KnownIdentities implements PinStore {
  readonly #disk: Disk;
  readonly #folder: string;

  /** `folder`: absolute; made when the first agent is met. */
  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** Throws "pin-damaged" for a file that holds something else than the agent's operations, and disk errors. */
  async load(did: Did): Promise<Pin | undefined> {
    const path = this.#path(did);
    const bytes = await this.#disk.read(path);
    if (bytes === undefined) return undefined;
    const operations = new Map<string, ParsedOperation>();
    let head: string | undefined;
    for (const [index, line] of splitLines(bytes).entries()) {
      if (line.length === 0) continue;
      const operation = parsedOrNothing(line);
      if (operation?.did !== did) throw damaged(path, index + 1);
      if (!operations.has(operation.hash)) operations.set(operation.hash, operation);
      head = operation.hash;
    }
    return head === undefined ? undefined : { operations: [...operations.values()], head };
  }

  async save(did: Did, now: Pin, before: Pin | undefined): Promise<void> {
    const known = new Set(before?.operations.map(({ hash }) => hash));
    const lines = now.operations.filter(({ hash }) => !known.has(hash));
    if (lines.length === 0 && now.head === before?.head) return;
    const head = now.operations.find(({ hash }) => hash === now.head)!;
    if (lines.at(-1) !== head) lines.push(head);
    const path = this.#path(did);
    await this.#disk.mkdir(this.#folder);
    const there = await this.#disk.read(path);
    // What a crash tore off must not become the beginning of a line.
    const torn = there !== undefined && there.length > 0 && there.at(-1) !== NEWLINE[0];
    if (torn) await this.#disk.truncate(path, there.lastIndexOf(NEWLINE[0]!) + 1);
    await this.#disk.append(path, concat(...lines.flatMap(({ line }) => [line, NEWLINE])));
  }

  #path(did: Did): string {
    assertDid(did);
    return `${this.#folder}/${did.slice("did:ants:".length)}.ndjson`;
  }
}

function damaged(path: string, line: number): AntsError {
  return new AntsError("pin-damaged", `${path}: line ${line} is no identity operation of this agent`, {
    hint: `restore ${path} from a copy, or move it away: then this agent is met as for the first time`,
    details: { path, line },
  });
}
