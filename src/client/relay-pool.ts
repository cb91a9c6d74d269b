import type { AntsError } from "../../keys/errors.js";
import { type ConnectionOptions, RelayConnection } from "./connection.js";
import type { ClientPorts } from "./ports.js";

/** The connections of one agent or reader: one a relay, dialled when it is first asked for, shared by all that use it. */
export class RelayPool {
  readonly #ports: ClientPorts;
  readonly #options: ConnectionOptions;
  readonly #connections = new Map<string, RelayConnection>();
  /** Why the last attempt failed, by URL, until one succeeds. */
  readonly #failures = new Map<string, AntsError>();
  #isClosed = false;

  constructor(ports: ClientPorts, options: ConnectionOptions = {}) {
    this.#ports = ports;
    this.#options = options;
  }

  /** The connection to a relay URL; it stays until {@link close}. After that it is closed as well: nobody would end it. */
  get(url: string): RelayConnection {
    let connection = this.#connections.get(url);
    if (connection === undefined) {
      connection = new RelayConnection(url, this.#ports, this.#options);
      this.#connections.set(url, connection);
      connection.onStatus((status) => {
        if (status.state === "waiting") this.#failures.set(url, status.error);
        else if (status.state === "open") this.#failures.delete(url);
      });
      if (this.#isClosed) void connection.close();
    }
    return connection;
  }

  /** Why there is no connection to a relay, where one was tried and failed. */
  whyAway(url: string): AntsError | undefined {
    return this.#failures.get(url);
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    await Promise.all(connections.map((connection) => connection.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
