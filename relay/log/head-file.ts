import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import { type Checkpoint, verifyCheckpoint } from "../../src/protocol/checkpoint.js";

/** Whose heads a head file may hold. */
interface HeadOwner {
  /** Multikey of the relay. */
  readonly key: string;
  readonly stream: string;
  /** Streams that this log was before; a head of one of them is none of the present stream. */
  readonly formerStreams: readonly string[];
}

/**
 * The last signed tree head, in a file of its own: what the relay is bound to, whatever happens to its log. It is on
 * disk before anybody is told of it.
 */
export class HeadFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #owner: HeadOwner;
  #head: Checkpoint | undefined;

  private constructor(disk: Disk, path: string, owner: HeadOwner, head: Checkpoint | undefined) {
    this.#disk = disk;
    this.#path = path;
    this.#owner = owner;
    this.#head = head;
  }

  /** Throws "head-damaged" for a file that holds no head signed by this relay for this stream or a former one. */
  static async open(disk: Disk, path: string, owner: HeadOwner): Promise<HeadFile> {
    const bytes = await disk.read(path);
    return new HeadFile(disk, path, owner, bytes && readHead(path, Buffer.from(bytes).toString("utf8"), owner));
  }

  /** What the log must at least hold; undefined before the first head of this stream. */
  get head(): Checkpoint | undefined {
    return this.#head;
  }

  /** Keeps a newly signed head; durable when resolved, and only then to be shown. */
  async save(note: string): Promise<void> {
    const head = verifyCheckpoint(note, this.#owner);
    await this.#disk.replace(this.#path, Buffer.from(note));
    this.#head = head;
  }
}

function readHead(path: string, note: string, owner: HeadOwner): Checkpoint | undefined {
  try {
    return verifyCheckpoint(note, owner);
  } catch (error) {
    const { stream } = isAntsError(error, "checkpoint-mismatch") ? error.details : {};
    if (typeof stream === "string" && owner.formerStreams.includes(stream)) return undefined;
    throw new AntsError(
      "head-damaged",
      `${path} holds no tree head that this relay signed for stream ${owner.stream}`,
      {
        hint: "restore it from a copy of the data folder; if there is none, start a new stream",
        cause: error,
      },
    );
  }
}
