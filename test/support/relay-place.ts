import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_RATES, RelayProcess } from "./relay-process.js";
import { TcpProxy } from "./tcp-proxy.js";

/** A relay process with an address and a data folder that outlive it. */
export class RelayPlace implements AsyncDisposable {
  readonly proxy: TcpProxy;
  readonly data: string;
  relay: RelayProcess;

  private constructor(proxy: TcpProxy, data: string, relay: RelayProcess) {
    this.proxy = proxy;
    this.data = data;
    this.relay = relay;
  }

  /** `delayMs`: added to everything that passes, one way. */
  static async start(delayMs = 0): Promise<RelayPlace> {
    const proxy = await TcpProxy.start({ delayMs });
    const data = mkdtempSync(join(tmpdir(), "ants-place-"));
    return new RelayPlace(proxy, data, await run(data, proxy));
  }

  /** The address under which agents know it. */
  get url(): string {
    return this.proxy.url;
  }

  get stream(): string {
    return this.relay.stream;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.relay.kill("SIGKILL");
  }

  /** Starts it again on its data folder, at the same address, perhaps with other settings. */
  async restart(flags: readonly string[] = []): Promise<void> {
    this.relay = await run(this.data, this.proxy, flags);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.proxy[Symbol.asyncDispose]();
    rmSync(this.data, { recursive: true, force: true });
  }
}

/** It says its public address when it is ready, so the port that it listens on is chosen here. */
async function run(data: string, proxy: TcpProxy, more: readonly string[] = []): Promise<RelayProcess> {
  const port = await freePort();
  const flags = [...NO_RATES, "--port", String(port), "--public-url", proxy.url, ...more];
  const relay = await RelayProcess.start({ data, flags });
  proxy.target(`ws://127.0.0.1:${port}`);
  return relay;
}

/** A port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
