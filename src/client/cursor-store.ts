import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import { type FollowState, parseFollowState } from "./follow-state.js";

/**
 * The states of named follows in one file, replaced as a whole: after a crash it holds the last state that was saved,
 * never half of one. What is saved after the processing may be behind it, so that items come again; whoever needs each
 * exactly once stores the state with the processed data instead.
 */
export class CursorStore {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #states: Map<string, FollowState>;
  /** The write that began last; the next one waits for it, so that an older state never replaces a newer one. */
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  private constructor(disk: Disk, path: string, states: Map<string, FollowState>) {
    this.#disk = disk;
    this.#path = path;
    this.#states = states;
  }

  /** Reads the file; none is an empty store. Throws `follow-state` for one that cannot be understood, disk errors. */
  static async open(disk: Disk, path: string): Promise<CursorStore> {
    const bytes = await disk.read(path);
    const states = new Map<string, FollowState>();
    if (bytes !== undefined) {
      for (const [name, state] of Object.entries(parseFile(path, bytes))) states.set(name, parseFollowState(state));
    }
    return new CursorStore(disk, path, states);
  }

  get(name: string): FollowState | undefined {
    return this.#states.get(name);
  }

  /** On disk when it resolves. Calls that come while another is written share the next write. */
  save(name: string, state: FollowState): Promise<void> {
    this.#states.set(name, state);
    this.#next ??= this.#last
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.#last = this.#write();
        return this.#last;
      });
    return this.#next;
  }

  #write(): Promise<void> {
    const file = { v: 1, follows: Object.fromEntries(this.#states) };
    return this.#disk.replace(this.#path, utf8(`${JSON.stringify(file)}\n`));
  }
}

function parseFile(path: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    const { v, follows } = JSON.parse(fromUtf8(bytes)) as { v: unknown; follows: unknown };
    if (v === 1 && typeof follows === "object" && follows !== null) return follows as Record<string, unknown>;
  } catch (cause) {
    throw new AntsError("follow-state", `${path} is not a file of cursors`, { cause, details: { path } });
  }
  throw new AntsError("follow-state", `${path} is not a file of cursors of version 1`, { details: { path } });
}
