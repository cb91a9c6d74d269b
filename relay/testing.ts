/** A relay inside the process, for tests of anything that talks to one: `ants-agent/testing`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { RelayConfigInput } from "./config.js";
import { type Relay, type StartOptions, startRelay } from "./start.js";

export interface TestRelayOptions extends StartOptions {
  /** Settings other than a test relay's: any free port of 127.0.0.1, no rate limits, one verification thread. */
  readonly config?: RelayConfigInput;
}

export interface TestRelay extends Relay {
  /** The same place by HTTP, without a slash at the end. */
  readonly httpUrl: string;
  /** Its data folder. */
  readonly data: string;
}

/** Rates are off, since a test publishes as fast as it can and makes as many agents as it likes. */
const TEST_CONFIG: RelayConfigInput = {
  host: "127.0.0.1",
  port: 0,
  name: "test relay",
  workers: 1,
  entriesPerSecond: 0,
  newDidsPerHour: 0,
  backfillBytesPerMinute: 0,
  connectionsPerSecond: 0,
};

/**
 * Starts a relay in a new folder under the system's temporary one. Closing it removes the folder, unless the folder was
 * given (`config.data`): so a relay can be stopped, its folder looked at or altered, and another be started on it.
 *
 * ```ts
 * await using relay = await startTestRelay();
 * ```
 */
export async function startTestRelay({ config = {}, ...options }: TestRelayOptions = {}): Promise<TestRelay> {
  const given = config.data;
  const data = given ?? (await mkdtemp(path.join(tmpdir(), "ants-relay-")));
  const removeFolder = async () => {
    if (given === undefined) await rm(data, { recursive: true, force: true });
  };
  try {
    const relay = await startRelay({ ...TEST_CONFIG, ...config, data }, options);
    return new DisposableRelay(relay, data, removeFolder);
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

class DisposableRelay implements TestRelay {
  readonly data: string;
  readonly #relay: Relay;
  readonly #removeFolder: () => Promise<void>;

  constructor(relay: Relay, data: string, removeFolder: () => Promise<void>) {
    this.data = data;
    this.#relay = relay;
    this.#removeFolder = removeFolder;
  }

  get url(): string {
    return this.#relay.url;
  }

  get httpUrl(): string {
    return this.url.replace(/^ws/, "http");
  }

  get stream(): string {
    return this.#relay.stream;
  }

  get key(): string {
    return this.#relay.key;
  }

  get position(): number {
    return this.#relay.position;
  }

  get closed(): Promise<void> {
    return this.#relay.closed;
  }

  async close(options?: { readonly deadlineMs?: number }): Promise<void> {
    await this.#relay.close(options);
    await this.#removeFolder();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
