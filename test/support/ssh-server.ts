import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";

/** A real sshd on loopback, with keys and a configuration of its own; it runs as whoever runs the tests. */
export class SshServer implements AsyncDisposable {
  readonly port: number;
  readonly user = userInfo().username;
  /** The ssh command that reaches it: knows its host key, has a key that it takes. */
  readonly command: readonly string[];
  /** One that has another key. */
  readonly stranger: readonly string[];
  readonly #child: ChildProcess;

  private constructor(port: number, folder: string, child: ChildProcess) {
    this.port = port;
    this.command = ["ssh", "-F", join(folder, "client.conf")];
    this.stranger = ["ssh", "-F", join(folder, "stranger.conf")];
    this.#child = child;
  }

  static async start(folder: string): Promise<SshServer> {
    // Without it, sshd as root does not start.
    if (process.geteuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const key = (name: string) => {
      spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
      return join(folder, name);
    };
    const [hostKey, own, other] = [key("host"), key("own"), key("other")];
    spawnSync("cp", [`${own}.pub`, join(folder, "authorized")]);
    const port = await freePort();
    const server = [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${join(folder, "authorized")}`,
      `PidFile ${join(folder, "pid")}`,
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin prohibit-password",
      "StrictModes no",
      "UsePAM no",
    ];
    writeFileSync(join(folder, "sshd.conf"), `${server.join("\n")}\n`);
    const [type, blob] = String(spawnSync("cat", [`${hostKey}.pub`]).stdout).split(" ");
    writeFileSync(join(folder, "known"), `[127.0.0.1]:${port} ${type} ${blob}\n`);
    for (const [name, identity] of [
      ["client.conf", own],
      ["stranger.conf", other],
    ] as const) {
      const client = [
        `IdentityFile ${identity}`,
        "IdentitiesOnly yes",
        "IdentityAgent none",
        `UserKnownHostsFile ${join(folder, "known")}`,
        "StrictHostKeyChecking yes",
      ];
      writeFileSync(join(folder, name), `${client.join("\n")}\n`);
    }
    if (!existsSync("/usr/sbin/sshd")) throw new Error("openssh-server is needed (apt-get install openssh-server)");
    const child = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(folder, "sshd.conf")], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await listening(port, child);
    return new SshServer(port, folder, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when something takes connections there. */
export async function listening(port: number, child: ChildProcess): Promise<void> {
  const until = Date.now() + 30_000;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode} before it was ready`);
    const socket = createConnection(port, "127.0.0.1");
    const connected = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}
