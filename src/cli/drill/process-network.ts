import type { Company } from "../demo/company.js";
import type { DrillNetwork, NetworkPlace, RelayAddress } from "./bed.js";
import type { DrillHost, HostSetting } from "./drill-host.js";
import { LocalHost } from "./local-host.js";
import { TcpGate } from "./tcp-gate.js";

const LOOPBACK = "127.0.0.1";

/** Hosts that are folders and processes of one user on loopback: for whoever may not make namespaces. */
export class ProcessNetwork implements DrillNetwork {
  readonly isolation = "processes";
  readonly description = "processes and folders of one user, on loopback";
  readonly #company: Company;
  readonly #gates: TcpGate[] = [];

  constructor(company: Company) {
    this.#company = company;
  }

  async server(): Promise<NetworkPlace> {
    return { address: LOOPBACK, under: [] };
  }

  async host(name: string, relays: readonly RelayAddress[], setting: HostSetting): Promise<DrillHost> {
    const gates = await Promise.all(relays.map(async ({ port }) => [port, await TcpGate.open(port)] as const));
    this.#gates.push(...gates.map(([, gate]) => gate));
    const ports = Object.fromEntries(gates.map(([port, gate]) => [port, gate.port]));
    const place = {
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
    return LocalHost.make(name, setting, place, this.#company);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#gates.map((gate) => gate[Symbol.asyncDispose]()));
  }
}
