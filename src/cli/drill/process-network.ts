import type { DrillNetwork, HostPlace, NetworkPlace, RelayAddress } from "./bed.js";
import { TcpGate } from "./tcp-gate.js";

const LOOPBACK = "127.0.0.1";

/** Hosts that are folders and processes of one user on loopback: for whoever may not make namespaces. */
export class ProcessNetwork implements DrillNetwork {
  readonly isolation = "processes";
  readonly description = "processes and folders of one user, on loopback";
  readonly #gates: TcpGate[] = [];

  async server(): Promise<NetworkPlace> {
    return { address: LOOPBACK, under: [] };
  }

  async host(_name: string, relays: readonly RelayAddress[]): Promise<HostPlace> {
    const gates = await Promise.all(relays.map(async ({ port }) => [port, await TcpGate.open(port)] as const));
    this.#gates.push(...gates.map(([, gate]) => gate));
    const ports = Object.fromEntries(gates.map(([port, gate]) => [port, gate.port]));
    return {
      address: LOOPBACK,
      under: [],
      env: { DRILL_PORTS: JSON.stringify(ports) },
      own: async () => {},
      cut: async () => {
        for (const [, gate] of gates) gate.shut();
      },
      contact: async () => {
        await Promise.race(gates.map(([, gate]) => gate.passing()));
        return performance.now();
      },
      mend: async () => {
        for (const [, gate] of gates) gate.reopen();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#gates.map((gate) => gate[Symbol.asyncDispose]()));
  }
}
