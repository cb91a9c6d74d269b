import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { type Did, isDid } from "../../keys/did.js";
import { isAntsError } from "../../keys/errors.js";
import { isHandle } from "../../keys/identity/handle.js";
import { isRelayUrl } from "../../keys/identity/relay-url.js";
import type { Disk } from "../../keys/ports.js";

/** What led from a handle to an agent that named it back. */
export interface CachedHint {
  readonly did: Did;
  readonly relays: readonly string[];
  /** Milliseconds since the epoch: when it was found and confirmed, and until when it is taken unasked. */
  readonly atMs: number;
  readonly untilMs: number;
}

/** What was found out lately and may be forgotten at any time. What may not is in a PinStore. */
export interface ResolutionCache {
  hint(handle: string): Promise<CachedHint | undefined>;
  /** Undefined: the handle leads there no more. */
  keepHint(handle: string, hint: CachedHint | undefined): Promise<void>;
  /** When the identity was last confirmed by its own relays, in milliseconds since the epoch. */
  confirmedMs(did: Did): Promise<number | undefined>;
  keepConfirmed(did: Did, atMs: number): Promise<void>;
}

/** Of each kind; the ones that were written longest ago are forgotten first. */
const MAX_ENTRIES = 1_000;

interface File {
  readonly hints: Map<string, CachedHint>;
  readonly confirmed: Map<string, number>;
}

/**
 * A {@link ResolutionCache} in one file, read anew each time, so that commands that run one after the other share it.
 * Whatever is wrong with it (`trouble` is told what) never keeps anyone from resolving: then it is empty.
 */
export class DiskResolutionCache implements ResolutionCache {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #trouble: (why: string) => void;
  #last: Promise<unknown> = Promise.resolve();

  /** `folder`: absolute; made when there is something to keep. */
  constructor(disk: Disk, folder: string, trouble: (why: string) => void) {
    this.#disk = disk;
    this.#folder = folder;
    this.#trouble = trouble;
  }

  async hint(handle: string): Promise<CachedHint | undefined> {
    return (await this.#read()).hints.get(handle);
  }

  keepHint(handle: string, hint: CachedHint | undefined): Promise<void> {
    return this.#change(({ hints }) => put(hints, handle, hint));
  }

  async confirmedMs(did: Did): Promise<number | undefined> {
    return (await this.#read()).confirmed.get(did);
  }

  keepConfirmed(did: Did, atMs: number): Promise<void> {
    return this.#change(({ confirmed }) => put(confirmed, did, atMs));
  }

  get #path(): string {
    return `${this.#folder}/resolutions.json`;
  }

  /** One change after the other; of two processes that write at once, one's change may be lost. */
  #change(change: (file: File) => boolean): Promise<void> {
    const turn = this.#last.then(async () => {
      const file = await this.#read();
      if (!change(file)) return;
      const { hints, confirmed } = file;
      const json = { v: 1, hints: Object.fromEntries(hints), confirmed: Object.fromEntries(confirmed) };
      await this.#tried(async () => {
        await this.#disk.mkdir(this.#folder);
        await this.#disk.replace(this.#path, utf8(`${JSON.stringify(json)}\n`));
      });
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #read(): Promise<File> {
    const bytes = await this.#tried(() => this.#disk.read(this.#path));
    if (bytes === undefined) return { hints: new Map(), confirmed: new Map() };
    const file = parseFile(bytes);
    if (file !== undefined) return file;
    this.#trouble(`${this.#path} is no cache of resolutions and is passed over`);
    return { hints: new Map(), confirmed: new Map() };
  }

  async #tried<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!isAntsError(error)) throw error;
      this.#trouble(error.message);
      return undefined;
    }
  }
}

/** True where something changed. The newest entry is the last one. */
function put<Value>(entries: Map<string, Value>, name: string, value: Value | undefined): boolean {
  const was = entries.delete(name);
  if (value === undefined) return was;
  entries.set(name, value);
  for (const oldest of entries.keys()) {
    if (entries.size <= MAX_ENTRIES) break;
    entries.delete(oldest);
  }
  return true;
}

function parseFile(bytes: Uint8Array): File | undefined {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (json?.v !== 1) return undefined;
  const entriesOf = (value: unknown) => Object.entries(typeof value === "object" && value !== null ? value : {});
  const hints = entriesOf(json.hints).filter((entry): entry is [string, CachedHint] => isHint(...entry));
  const confirmed = entriesOf(json.confirmed).filter(([did, ms]) => isDid(did) && Number.isSafeInteger(ms));
  return { hints: new Map(hints), confirmed: new Map(confirmed as [string, number][]) };
}

function isHint(handle: string, value: unknown): boolean {
  if (!isHandle(handle) || typeof value !== "object" || value === null) return false;
  const { did, relays, atMs, untilMs } = value as Record<string, unknown>;
  return (
    isDid(did) &&
    Array.isArray(relays) &&
    relays.every(isRelayUrl) &&
    Number.isSafeInteger(atMs) &&
    Number.isSafeInteger(untilMs)
  );
}
