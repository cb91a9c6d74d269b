import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chown, lchown, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AntsError } from "../../../keys/errors.js";
import { systemClock } from "../../../keys/ports.js";
import type { Company } from "../demo/company.js";
import type { DrillNetwork, NetworkPlace, RelayAddress } from "./bed.js";
import { type DrillHost, type HostSetting, programPath } from "./drill-host.js";
import { livingEntries, unlessGone } from "./living-folder.js";
import { LocalHost } from "./local-host.js";

/** Nobody else's: these networks end with the drill, and no packet of theirs leaves them. */
const SUBNET = "10.203.77";
const MAX_PLACES = 250;
/** Users of no name, one a host: files of one are closed to the other. */
const FIRST_UID = 64_101;
/** A neighbour that does not exist: what is sent to it is lost without a word, as by a cable that was pulled. */
const NOWHERE = "02:00:00:00:00:01";

/** Between two looks at what the kernel counts. */
const LOOK_MS = 20;

/** A namespace, held by a process that ends when this one does. */
interface Namespace {
  readonly holder: ChildProcess;
  readonly under: readonly string[];
}

/** Each host and each relay in a network namespace with an address of its own, each host with a user of its own. */
export class NamespaceNetwork implements DrillNetwork {
  readonly isolation = "namespaces";
  readonly description = "a network namespace with an address for every host and relay, and a user for every host";
  readonly #company: Company;
  readonly #bridge: Namespace;
  readonly #all: Namespace[];
  readonly #byAddress = new Map<string, Namespace>();
  #hosts = 0;
  #places = 0;

  private constructor(company: Company, bridge: Namespace) {
    this.#company = company;
    this.#bridge = bridge;
    this.#all = [bridge];
  }

  /** Whether this process may do all that, on this system. */
  static isPossible(): boolean {
    if (process.getuid?.() !== 0) return false;
    const probe =
      "ip link add probe0 type veth peer name probe1 && ip link add probe2 type bridge && nsenter --version";
    const tried = spawnSync("unshare", ["-n", "sh", "-ec", probe], { stdio: "ignore" });
    return tried.status === 0 && spawnSync("setpriv", ["--version"], { stdio: "ignore" }).status === 0;
  }

  static async start(company: Company): Promise<NamespaceNetwork> {
    const bridge = await namespace();
    const network = new NamespaceNetwork(company, bridge);
    run(bridge, "ip link set lo up && ip link add br0 type bridge && ip link set br0 up");
    return network;
  }

  /** The command that programs run under which see every packet, on its interfaces. */
  get underBridge(): readonly string[] {
    return this.#bridge.under;
  }

  async server(): Promise<NetworkPlace> {
    const { address, space } = await this.#place();
    return { address, under: space.under };
  }

  async host(name: string, relays: readonly RelayAddress[], setting: HostSetting): Promise<DrillHost> {
    const { address, space } = await this.#place();
    const id = FIRST_UID + this.#hosts++;
    const lose = (from: Namespace, to: string) =>
      run(from, `ip neigh replace ${to} lladdr ${NOWHERE} dev eth0 nud permanent`);
    const find = (from: Namespace, to: string) => run(from, `ip neigh del ${to} dev eth0`);
    const both = (change: (from: Namespace, to: string) => void): void => {
      for (const { host } of relays) {
        change(space, host);
        change(this.#byAddress.get(host)!, address);
      }
    };
    // Where the package lies in somebody's private folder nobody else can run it: there the hosts share this user.
    const asUser = canRunAs(id) ? asUserOf(id) : [];
    const hostPlace = {
      address,
      under: [...space.under, ...asUser],
      env: {},
      own: async (path: string) => {
        if (asUser.length > 0) await own(path, id);
      },
      cut: async () => both(lose),
      mend: async () => both(find),
      contact: firstSegment,
    };
    return LocalHost.make(name, setting, hostPlace, this.#company);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { holder } of this.#all.reverse()) {
      const ended = new Promise((resolve) => holder.once("exit", resolve));
      if (holder.exitCode !== null || holder.signalCode !== null) continue;
      holder.kill("SIGTERM");
      await ended;
    }
  }

  /** A namespace on the bridge. */
  async #place(): Promise<{ readonly address: string; readonly space: Namespace }> {
    const number = ++this.#places;
    if (number > MAX_PLACES) throw failed(`a drill has room for ${MAX_PLACES} hosts and relays`);
    const space = await namespace();
    this.#all.push(space);
    const address = `${SUBNET}.${number}`;
    const port = `port${number}`;
    run(
      this.#bridge,
      `ip link add ${port} type veth peer name eth0 netns ${space.holder.pid} && ip link set ${port} master br0 up`,
    );
    run(space, `ip link set lo up && ip addr add ${address}/24 dev eth0 && ip link set eth0 up`);
    this.#byAddress.set(address, space);
    return { address, space };
  }
}

function asUserOf(id: number): string[] {
  return ["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups"];
}

/** Whether a user of no name can read what the drill runs. */
function canRunAs(id: number): boolean {
  const [program, ...args] = [...asUserOf(id), process.execPath, "--check", programPath("counting-agent")];
  return spawnSync(program!, args, { stdio: "ignore", cwd: "/" }).status === 0;
}

/** It reads a pipe that nobody writes to: when this process is gone, however it went, the pipe breaks and it ends. */
async function namespace(): Promise<Namespace> {
  const holder = spawn("unshare", ["-n", "sh", "-c", "echo held; read -r line"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once("data", () => resolve());
    holder.once("exit", (code) => reject(failed(`unshare ended with ${code}`)));
    holder.once("error", reject);
  });
  return { holder, under: ["nsenter", "-t", String(holder.pid), "-n", "--"] };
}

function run({ under }: Namespace, script: string): void {
  const [program, ...args] = [...under, "sh", "-ec", script];
  const { status, stderr } = spawnSync(program!, args, { encoding: "utf8" });
  if (status !== 0) throw failed(`${script}: ${stderr?.trim()}`);
}

async function own(path: string, id: number): Promise<void> {
  await chown(path, id, id);
  for await (const entry of livingEntries(path)) {
    await unlessGone(lchown(join(entry.parentPath, entry.name), id, id), undefined);
  }
}

/** Resolves when the network of a process has received a TCP segment more than now, or the process is gone. */
async function firstSegment(pid: number): Promise<number> {
  const before = await segments(pid);
  for (;;) {
    const now = await segments(pid);
    if (now === undefined || now !== before) return performance.now();
    await systemClock.sleep(LOOK_MS);
  }
}

/** What the kernel counts, in the second "Tcp:" line below the names in the first. */
async function segments(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/net/snmp`, "utf8").catch(() => "");
  const [names, values] = text
    .split("\n")
    .filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  return names === undefined || values === undefined ? undefined : Number(values[names.indexOf("InSegs")]);
}

function failed(message: string): AntsError {
  return new AntsError("drill-network", message, {
    hint: "ants drill --isolation processes needs no namespaces",
  });
}
