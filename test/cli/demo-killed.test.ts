import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { Sandbox } from "../transcripts/sandbox.js";

const ANTS = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

it("a demo that is killed leaves no relay behind", { timeout: 60_000 }, async () => {
  const sandbox = new Sandbox("demo");
  try {
    const env = { ...sandbox.env, TMPDIR: sandbox.root };
    const demo = spawn(process.execPath, [ANTS, "demo", "--events", "100000"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let relays: string[] = [];
    for await (const line of createInterface({ input: demo.stdout })) {
      relays = line.match(/ws:[^ ]+/g) ?? [];
      if (relays.length > 0) break;
    }
    demo.kill("SIGKILL");
    await once(demo, "exit");
    expect(relays).toHaveLength(3);
    for (const url of relays) {
      const answers = () =>
        fetch(url.replace("ws", "http")).then(
          () => true,
          () => false,
        );
      await vi.waitFor(async () => expect(await answers(), url).toBe(false), { timeout: 30_000 });
    }
  } finally {
    await sandbox.close();
  }
});
