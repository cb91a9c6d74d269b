import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { hex } from "../../../keys/bytes.js";
import type { AntsError } from "../../../keys/errors.js";
import { byTime, parseArchiveName } from "./archive-name.js";
import { Deadline, LISTING_PATIENCE_MS, PATIENCE_MS, patienceFor, patiently, TOO_SLOW } from "./patience.js";
import type { BackupTarget, StoredArchive, TargetOptions, Upload } from "./target.js";
import { exists, missing, notThere, quoted, targetError } from "./target-errors.js";

/** A folder of another host, which a user's ssh reaches without asking anything. */
export interface SshPlace {
  readonly host: string;
  /** Absolute, or relative to the user's own folder. */
  readonly folder: string;
  readonly user?: string;
  readonly port?: number;
}

/**
 * Asks for nothing, and gives a dead connection up: nobody sits at an hourly backup. Lends the other host nothing, either,
 * whatever the user's configuration says for hosts that are worked on: with an agent that is forwarded it could log in elsewhere.
 */
const SSH_OPTIONS = [
  ...["BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4"],
  ...["ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes"],
];
/** What the scripts below end with, so that no text has to be understood. */
const EXIT = { exists: 40, missing: 41, short: 42, noFolder: 43, notThere: 44 } as const;
/** ssh's own: it did not come as far as the other host's shell. */
const SSH_FAILED = 255;
const MAX_STDERR_BYTES = 8 * 1024;
/** A listing of a hundred thousand archives. */
const MAX_STDOUT_CHARACTERS = 8 * 2 ** 20;
/** A line that the scripts end with: an account with a command of its own runs that instead, and says that all went well. */
const DONE = "ants-done";
/** A line before an archive's bytes: what a shell greets with comes before it. */
const BEGIN = "ants-begin\n";
/** What is read of a greeting. */
const MAX_GREETING_BYTES = 64 * 1024;

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
for f in ants-*.tar.age; do [ -f "$f" ] && echo "$(wc -c < "$f") $f"; done; echo ${DONE}`;
    const found = new Map<string, StoredArchive>();
    for (const line of await this.#run(script, { patienceMs: LISTING_PATIENCE_MS })) {
      const [, size, name] = /^\s*(\d{1,15}) (\S+)$/.exec(line) ?? [];
      const parsed = name === undefined ? undefined : parseArchiveName(name);
      if (parsed !== undefined) found.set(parsed.name, { ...parsed, size: Number(size) });
    }
    return [...found.values()].sort(byTime);
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
rm -f ${part}; { sync . 2>/dev/null || sync; } && [ "$(wc -c < ${name})" -eq ${upload.size} ] && echo ${DONE}`;
    await this.#run(script, { input: upload.bytes(), name, patienceMs: patienceFor(upload.size) });
  }

  async get(name: string): Promise<AsyncIterable<Uint8Array>> {
    const script = `cd ${this.#folder} 2>/dev/null || exit ${EXIT.missing}; [ -f ${name} ] || exit ${EXIT.missing}
echo ${BEGIN.trim()}; exec cat ${name}`;
    return this.#read(script, name);
  }

  async remove(name: string): Promise<void> {
    await this.#run(`cd ${this.#folder} 2>/dev/null || { echo ${DONE}; exit 0; }; rm -f ${name} || exit 1
[ ! -e ${name} ] || exit 1; { sync . 2>/dev/null || sync; } && echo ${DONE}`);
  }

  async sweep(): Promise<number> {
    const script = `cd ${this.#folder} 2>/dev/null || { echo ${DONE}; exit 0; }
find . -maxdepth 1 -type f -name '.ants-*.part' -mmin +1440 -exec rm -f {} \\; -exec echo {} \\; && echo ${DONE}`;
    return (await this.#run(script)).filter((line) => line.startsWith("./.ants-")).length;
  }

  /** As one word of a shell, whatever is in it. */
  get #folder(): string {
    const { folder } = this.#place;
    // No option, and nothing that CDPATH leads elsewhere.
    const plain = folder.startsWith("/") ? folder : `./${folder}`;
    return `'${plain.replaceAll("'", `'\\''`)}'`;
  }

  /** The lines that the script says, before the one that it ends with. */
  async #run(
    script: string,
    {
      input,
      name = "",
      patienceMs = PATIENCE_MS,
    }: { readonly input?: AsyncIterable<Uint8Array>; readonly name?: string; readonly patienceMs?: number } = {},
  ): Promise<string[]> {
    const child = this.#spawn(script);
    const ended = new Ended(child);
    const deadline = new Deadline(this.#options.clock, patienceMs, () => abandon(child));
    let stdout = "";
    let isTooLong = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      isTooLong ||= stdout.length + text.length > MAX_STDOUT_CHARACTERS;
      if (isTooLong) abandon(child);
      else stdout += text;
    });
    try {
      if (input !== undefined) await feed(child, input);
      child.stdin.end();
      const { signal } = this.#options;
      const { code, stderr } = await ended.exit;
      signal.throwIfAborted();
      if (isTooLong) throw targetError(this.url, "backup-target", "its answer is longer than any can be");
      if (deadline.hasPassed) throw this.#tooSlow();
      if (code !== 0) throw this.#errorOf(code, stderr, name);
      const lines = stdout.split("\n");
      if (lines.includes(DONE)) return lines.slice(0, lines.indexOf(DONE));
      throw this.#somethingElse();
    } catch (error) {
      abandon(child);
      await ended.exit;
      throw error;
    } finally {
      deadline.end();
    }
  }

  async *#read(script: string, name: string): AsyncGenerator<Uint8Array> {
    const child = this.#spawn(script);
    const ended = new Ended(child);
    child.stdin.end();
    const stop = () => abandon(child);
    const { clock, signal } = this.#options;
    let greeting: Uint8Array | undefined = new Uint8Array(0);
    try {
      for await (const block of patiently(child.stdout, clock, stop, () => this.#tooSlow())) {
        if (greeting === undefined) {
          yield block;
          continue;
        }
        const said: Buffer = Buffer.concat([greeting, block]);
        const at = said.indexOf(BEGIN);
        greeting = at < 0 ? said : undefined;
        if (said.length > MAX_GREETING_BYTES && at < 0) throw this.#somethingElse();
        if (at >= 0) yield said.subarray(at + BEGIN.length);
      }
      const deadline = new Deadline(clock, PATIENCE_MS, stop);
      const { code, stderr } = await ended.exit;
      deadline.end();
      if (deadline.hasPassed) throw this.#tooSlow();
      if (code !== 0) throw this.#errorOf(code, stderr, name);
      if (greeting !== undefined) throw this.#somethingElse();
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      stop();
    }
  }

  #somethingElse(): AntsError {
    const what = "its account runs something else than it is told to (a forced command?)";
    return targetError(this.url, "backup-target", what);
  }

  #tooSlow(): AntsError {
    return targetError(this.url, "backup-target-unreachable", TOO_SLOW);
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
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    const stop = () => abandon(child);
    signal.addEventListener("abort", stop, { once: true });
    child.once("close", () => signal.removeEventListener("abort", stop));
    // What a write to a closed pipe says is said better by how the child ended.
    child.stdin.on("error", () => {});
    child.on("error", () => {});
    return child;
  }

  #errorOf(code: number | undefined, stderr: string, name: string): AntsError {
    const { url } = this;
    const said = quoted(stderr.trim().split("\n").at(-1) ?? "");
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

/** Ends it, and hears nothing more of it: what it started on its own may hold its pipes. */
function abandon(child: ChildProcessWithoutNullStreams): void {
  child.kill("SIGKILL");
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
}

/** Writes everything, at the child's pace, unless it ends first. */
async function feed(child: ChildProcessWithoutNullStreams, input: AsyncIterable<Uint8Array>): Promise<void> {
  const closed = new Promise<void>((resolve) => child.stdin.once("close", () => resolve()));
  for await (const block of input) {
    if (child.stdin.destroyed || child.exitCode !== null) return;
    if (!child.stdin.write(block)) await Promise.race([once(child.stdin, "drain").catch(() => {}), closed]);
  }
}
