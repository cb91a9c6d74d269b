import { join } from "node:path";
import type { AntsChild } from "./ants-child.js";
import type { Company } from "./company.js";

interface Ready {
  readonly url: string;
  readonly stream: string;
  readonly position: number;
}

/** One relay of the demo: a process of its own that can be killed and started again on its folder and port. */
export class RelayProcess {
  readonly name: string;
  readonly #folder: string;
  readonly #company: Company;
  #child: AntsChild | undefined;
  #ready: Ready | undefined;

  constructor(name: string, folder: string, company: Company) {
    this.name = name;
    this.#folder = join(folder, name);
    this.#company = company;
  }

  get url(): string {
    return this.#ready!.url;
  }

  /** Starts it, on its former port if it had one, and resolves with what it said when it was ready. */
  async start(): Promise<Ready> {
    const port = this.#ready === undefined ? "0" : new URL(this.#ready.url).port;
    const args = [
      "relay",
      "--json",
      "--port",
      port,
      "--name",
      this.name,
      "--data",
      this.#folder,
      "--log-level",
      "error",
    ];
    this.#ready = await new Promise<Ready>((resolve, reject) => {
      const child = this.#company.start(args, (line) => resolve(JSON.parse(line) as Ready));
      this.#child = child;
      child.ended.then(() => reject(child.failure("ended before it was ready")), reject);
    });
    return this.#ready;
  }

  /** SIGKILL: no goodbye, no flush, nothing. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child?.signal("SIGKILL");
    await this.#child?.ended;
  }

  /** The orderly way. */
  async stop(): Promise<void> {
    this.#child?.signal("SIGTERM");
    await this.#child?.ended;
  }
}
