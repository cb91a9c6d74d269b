import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { hex } from "../../../keys/bytes.js";
import type { AntsError } from "../../../keys/errors.js";
import { byTime, parseArchiveName } from "./archive-name.js";
import type { BackupTarget, StoredArchive, TargetOptions, Upload } from "./target.js";
import { exists, missing, notThere, targetError } from "./target-errors.js";

/** A folder of another host, which a user's ssh reaches without asking anything. */
export interface SshPlace {
  readonly host: string;
  /** Absolute, or relative to the user's own folder. */
  readonly folder: string;
  readonly user?: string;
  readonly port?: number;
}

/** Asks for nothing, and gives a dead connection up: nobody sits at an hourly backup. */
const SSH_OPTIONS = ["BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4"];
/** What the scripts below end with, so that no text has to be understood. */
const EXIT = { exists: 40, missing: 41, short: 42, noFolder: 43, notThere: 44 } as const;
/** ssh's own: it did not come as far as the other host's shell. */
const SSH_FAILED = 255;
const MAX_STDERR_BYTES = 8 * 1024;

/** A folder of another host as a target, through the system's ssh and a POSIX shell there. */
export function openSsh(url: string, place: SshPlace, options: TargetOptions): BackupTarget {
  return new SshTarget(url, place, options);
}

class SshTarget implements BackupTarget {
  readonly url: string;
  readonly #place: SshPlace;
  readonly #options: TargetOptions;

  constructor(url: string, place: SshPlace, options: TargetOptions) {
    this.url = url;
    this.#place = place;
    this.#options = options;
  }

  async list(): Promise<StoredArchive[]> {
    const script = `cd ${this.#folder} 2>/dev/null || { [ -e ${this.#folder} ] && exit ${EXIT.noFolder}; exit ${EXIT.notThere}; }
for f in ants-*.tar.age; do [ -f "$f" ] && echo "$(wc -c < "$f") $f"; done; exit 0`;
    const { stdout } = await this.#run(script);
    const found: StoredArchive[] = [];
    for (const line of stdout.split("\n")) {
      const [, size, name] = /^\s*(\d+) (\S+)$/.exec(line) ?? [];
      const parsed = name === undefined ? undefined : parseArchiveName(name);
      if (parsed !== undefined) found.push({ ...parsed, size: Number(size) });
    }
    return found.sort(byTime);
  }

  // A disk without hard links (FAT) gets a plain renaming: the name was free a moment ago, and holds 32 random bits.
  async put(name: string, upload: Upload): Promise<void> {
    const part = `.${name}.${hex(this.#options.random.bytes(8))}.part`;
    // A connection that breaks ends the input early: only what came whole gets its name, and a hard link takes none away.
    const script = `umask 077; [ -d ${this.#folder} ] || mkdir ${this.#folder} || exit ${EXIT.noFolder}
cd ${this.#folder} || exit ${EXIT.noFolder}; [ ! -e ${name} ] || exit ${EXIT.exists}
trap 'rm -f ${part}' EXIT; trap 'exit 1' HUP INT TERM
cat > ${part} || exit 1
[ "$(wc -c < ${part})" -eq ${upload.size} ] || exit ${EXIT.short}
sync ${part} 2>/dev/null || sync
ln ${part} ${name} 2>/dev/null || { [ -e ${name} ] && exit ${EXIT.exists}; mv ${part} ${name} || exit 1; }
rm -f ${part}; sync . 2>/dev/null || sync`;
    await this.#run(script, { input: upload.bytes(), name });
  }

  async get(name: string): Promise<AsyncIterable<Uint8Array>> {
    const script = `cd ${this.#folder} 2>/dev/null || exit ${EXIT.missing}; [ -f ${name} ] || exit ${EXIT.missing}; exec cat ${name}`;
    return this.#read(script, name);
  }

  async remove(name: string): Promise<void> {
    await this.#run(`cd ${this.#folder} 2>/dev/null || exit 0; rm -f ${name} || exit 1; sync . 2>/dev/null || sync`);
  }

  async sweep(): Promise<number> {
    const script = `cd ${this.#folder} 2>/dev/null || exit 0
find . -maxdepth 1 -type f -name '.ants-*.part' -mmin +1440 -exec rm -f {} \\; -exec echo {} \\;`;
    const { stdout } = await this.#run(script);
    return stdout.split("\n").filter((line) => line !== "").length;
  }

  /** As one word of a shell, whatever is in it. */
  get #folder(): string {
    const { folder } = this.#place;
    const plain = folder.startsWith("-") ? `./${folder}` : folder;
    return `'${plain.replaceAll("'", `'\\''`)}'`;
  }

  async #run(
    script: string,
    { input, name = "" }: { readonly input?: AsyncIterable<Uint8Array>; readonly name?: string } = {},
  ): Promise<{ stdout: string }> {
    const child = this.#spawn(script);
    const ended = new Ended(child);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    try {
      if (input !== undefined) await feed(child, input);
    } catch (error) {
      child.kill("SIGKILL");
      await ended.exit;
      throw error;
    }
    child.stdin.end();
    await this.#require(ended, name);
    return { stdout };
  }

  async *#read(script: string, name: string): AsyncGenerator<Uint8Array> {
    const child = this.#spawn(script);
    const ended = new Ended(child);
    child.stdin.end();
    try {
      for await (const block of child.stdout) yield block as Uint8Array;
      await this.#require(ended, name);
    } finally {
      child.kill("SIGKILL");
    }
  }

  #spawn(script: string): ChildProcessWithoutNullStreams {
    const { signal, ssh = ["ssh"] } = this.#options;
    signal.throwIfAborted();
    const { host, user, port } = this.#place;
    const [command, ...own] = ssh;
    const settings = SSH_OPTIONS.flatMap((setting) => ["-o", setting]);
    const to = user === undefined ? host : `${user}@${host}`;
    const child = spawn(
      command!,
      [...own, ...settings, ...(port === undefined ? [] : ["-p", String(port)]), "-T", "--", to, `LC_ALL=C; ${script}`],
      { stdio: ["pipe", "pipe", "pipe"], signal, killSignal: "SIGKILL" },
    );
    // What a write to a closed pipe says is said better by how the child ended.
    child.stdin.on("error", () => {});
    child.on("error", () => {});
    return child;
  }

  async #require(ended: Ended, name: string): Promise<void> {
    const { code, stderr } = await ended.exit;
    if (code === 0) return;
    this.#options.signal.throwIfAborted();
    throw this.#errorOf(code, stderr, name);
  }

  #errorOf(code: number | undefined, stderr: string, name: string): AntsError {
    const { url } = this;
    const said = stderr.trim().split("\n").at(-1) ?? "";
    switch (code) {
      case EXIT.exists:
        return exists(url, name);
      case EXIT.missing:
        return missing(url, name);
      case EXIT.short:
        return targetError(url, "backup-target", "not all of it arrived; nothing was stored");
      case EXIT.noFolder:
        return targetError(url, "backup-target", `its folder is none, and cannot be made: ${said}`);
      case EXIT.notThere:
        return notThere(url, this.#place.folder);
      case undefined:
        return targetError(url, "backup-target", "ssh could not be started: is it installed?");
      case SSH_FAILED: {
        const isDenied = /permission denied|host key verification failed/i.test(stderr);
        return targetError(url, isDenied ? "backup-target-denied" : "backup-target-unreachable", said);
      }
      default: {
        const isFull = /no space left|quota exceeded|file too large/i.test(stderr);
        const fault = isFull ? "backup-target-full" : "backup-target";
        return targetError(url, fault, said === "" ? `the other host's shell ended with ${code}` : said);
      }
    }
  }
}

/** How a child ended, and the end of what it said. */
class Ended {
  readonly exit: Promise<{ readonly code: number | undefined; readonly stderr: string }>;

  constructor(child: ChildProcessWithoutNullStreams) {
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR_BYTES);
    });
    this.exit = new Promise((resolve) => {
      child.on("error", () => {
        if (child.pid === undefined) resolve({ code: undefined, stderr });
      });
      child.on("close", (code) => resolve({ code: code ?? SSH_FAILED, stderr }));
    });
  }
}

/** Writes everything, at the child's pace, unless it ends first. */
async function feed(child: ChildProcessWithoutNullStreams, input: AsyncIterable<Uint8Array>): Promise<void> {
  const closed = new Promise<void>((resolve) => child.stdin.once("close", () => resolve()));
  for await (const block of input) {
    if (child.stdin.destroyed || child.exitCode !== null) return;
    if (!child.stdin.write(block)) await Promise.race([once(child.stdin, "drain").catch(() => {}), closed]);
  }
}
