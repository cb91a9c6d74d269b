import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve, sep } from "node:path";
import { createInterface } from "node:readline";
import { AntsError } from "../../../keys/errors.js";
import type { CommandContext } from "../context.js";
import type { AntsChild } from "../demo/ants-child.js";
import { Company } from "../demo/company.js";
import { VERSION } from "../version.js";
import { PRELOAD, programPath } from "./drill-host.js";
import type { HostAnswer, HostOrder } from "./host-orders.js";
import { livingEntries, unlessGone } from "./living-folder.js";

/**
 * What a drill runs on a host over ssh: takes orders on stdin until that ends, and works in a fresh folder, its "disk".
 * Whatever ends the connection, nothing is left then: no process and no file.
 */
export async function serveHost({ out, env, signal }: CommandContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "ants-drill-host-"));
  const clearAway = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", clearAway);
  try {
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ANTS_")));
    await using company = new Company({ ...own, ANTS_ALLOW_EPHEMERAL: "1" }, signal);
    const say = (answer: HostAnswer): Promise<void> => out.line(JSON.stringify(answer));
    const service = new HostService(folder, company, say);
    await say({ ready: { folder, version: VERSION } });
    const lines = createInterface({ input: process.stdin });
    signal.addEventListener("abort", () => lines.close(), { once: true });
    for await (const line of lines) service.take(JSON.parse(line) as HostOrder);
  } finally {
    process.off("exit", clearAway);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class HostService {
  readonly #folder: string;
  readonly #company: Company;
  readonly #say: (answer: HostAnswer) => Promise<void>;
  readonly #children = new Map<number, AntsChild>();

  constructor(folder: string, company: Company, say: (answer: HostAnswer) => Promise<void>) {
    this.#folder = folder;
    this.#company = company;
    this.#say = say;
  }

  /** An order that concerns a program is done at once; any other is answered when it is done. */
  take(order: HostOrder): void {
    switch (order.do) {
      case "start":
        this.#start(order);
        return;
      case "input":
        void this.#children.get(order.of)?.write(order.text);
        return;
      case "end-input":
        this.#children.get(order.of)?.endInput();
        return;
      case "signal":
        this.#children.get(order.of)?.signal(order.name);
        return;
      default:
        this.#answer(order).then(
          (value) => this.#say({ id: order.id, value }),
          (error: unknown) => this.#say({ id: order.id, failed: messageOf(error) }),
        );
    }
  }

  #start({ id, args, env, program }: Extract<HostOrder, { do: "start" }>): void {
    const child = this.#company.start(args, (line) => void this.#say({ id, line }), {
      env: { ...env, NODE_OPTIONS: `--import=${PRELOAD}` },
      ...(program === undefined ? {} : { program: programPath(program) }),
    });
    this.#children.set(id, child);
    child.ended.then(
      (end) => this.#say({ id, ...end, errors: child.errors }),
      (error: unknown) => this.#say({ id, failed: messageOf(error) }),
    );
  }

  async #answer(
    order: Extract<HostOrder, { do: "put" | "get" | "names" | "erase" }>,
  ): Promise<string | string[] | null> {
    switch (order.do) {
      case "put": {
        const path = this.#within(order.name);
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await writeFile(path, Buffer.from(order.bytes, "base64"), { mode: 0o600 });
        return null;
      }
      case "get": {
        const bytes = await unlessGone<Buffer | undefined>(readFile(this.#within(order.name)), undefined);
        return bytes?.toString("base64") ?? null;
      }
      case "names": {
        const names: string[] = [];
        for await (const entry of livingEntries(this.#within(order.folder)))
          if (entry.isFile()) names.push(relative(this.#folder, join(entry.parentPath, entry.name)));
        return names;
      }
      case "erase":
        await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
        return null;
    }
  }

  #within(name: string): string {
    const path = resolve(this.#folder, name);
    if (path === this.#folder || path.startsWith(this.#folder + sep)) return path;
    throw new AntsError("internal", `${name} is not within the disk of this host`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
