import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { hex } from "ants-agent/keys";
import { nodeDisk } from "../../keys/node/disk.js";
import { AgentHome } from "../../src/agent/home.js";
import type { AgentKeys } from "./test-agent.js";

const PROGRAM = fileURLToPath(new URL("../system/programs/agent.mjs", import.meta.url));

/** Makes the home of an agent. */
export async function settle({ did, genesis }: AgentKeys, home: string): Promise<void> {
  const config = { did, label: "test", founded: true };
  await AgentHome.create(nodeDisk, home, config, new TextEncoder().encode(genesis));
}

/** The ids of the whole lines of the chain in a home, in their order. */
export function idsInHome(home: string): string[] {
  const folder = `${home}/.ants/chain`;
  if (!existsSync(folder)) return [];
  const text = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(`${folder}/${name}`, "utf8"))
    .join("");
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { id: string }).id);
}

/** An agent as a process of its own (test/system/programs/agent.mjs). */
export class AgentProcess implements AsyncDisposable {
  /** Every line that it printed. */
  readonly said: string[] = [];
  readonly exited: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(home: string, { seed }: AgentKeys, mode = "") {
    const child = spawn(process.execPath, [PROGRAM, home, hex(seed), mode], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    this.exited = once(child, "close") as unknown as AgentProcess["exited"];
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.said.push(line);
      for (const look of [...this.#waiting]) look();
    });
  }

  /** What followed this word in every line that began with it. */
  heard(word: string): string[] {
    return this.said.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  }

  /** Resolves when it said so many lines of this word; rejects when it ends before that. */
  async hears(word: string, count = 1): Promise<void> {
    const enough = () => this.said.filter((line) => line.split(" ")[0] === word).length >= count;
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!enough()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      void this.exited.then(() =>
        enough() ? resolve() : reject(new Error(`the agent ended: ${this.said.slice(-5).join(" | ")}`)),
      );
      look();
    });
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
