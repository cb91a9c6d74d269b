import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/**
 * A person at a real pseudo-terminal, by script(1) of util-linux: waits for what is shown, and types. What the command
 * shows is collected in `shown`, whoever it came from: program, terminal echo, or the line discipline.
 */
export class Pty {
  shown = "";
  readonly #child: ChildProcess;
  #changed: () => void = () => {};

  constructor(command: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn("script", ["-qec", command, "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.shown += text;
      this.#changed();
    });
  }

  /** Resolves once `text` has been shown `times` times. */
  async waitFor(text: string, times = 1): Promise<void> {
    while (this.shown.split(text).length <= times) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Resolves with the exit code. */
  async end(): Promise<number> {
    const [code] = (await once(this.#child, "close")) as [number];
    return code;
  }
}
