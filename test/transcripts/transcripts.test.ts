import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { recorded } from "./record.js";
import { type Outcome, Sandbox } from "./sandbox.js";
import { difference, parseTranscript, type Step } from "./transcript.js";

const folder = fileURLToPath(new URL(".", import.meta.url));

// Most of their time they wait: for relays that are gone, and for one process after the other.
vi.setConfig({ maxConcurrency: 2 });

describe("what a person sees at a terminal", () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
    test.concurrent(`is what ${name} says`, { timeout: 600_000 }, async () => {
      const text = readFileSync(`${folder}/${name}`, "utf8");
      const transcript = parseTranscript(text);
      const sandbox = new Sandbox(name.replace(".txt", ""));
      try {
        const names: [string, string][] = [
          [sandbox.work, "$PWD"],
          [sandbox.env.HOME!, "$HOME"],
          [sandbox.root, "$ROOT"],
        ];
        for (let n = 1; n <= transcript.relays; n++) {
          const url = await sandbox.relay(`relay-${n}`);
          sandbox.env[`R${n}`] = url;
          sandbox.env[`P${n}`] = String(sandbox.relayPids.at(-1));
          names.push([url, `$R${n}`], [new URL(url).host, `$H${n}`]);
        }
        const named = (text: string) => names.reduce((before, [value, label]) => before.replaceAll(value, label), text);
        for (const [variable, value] of transcript.env)
          sandbox.env[variable] = names.reduce((before, [real, label]) => before.replaceAll(label, real), value);
        const different = new Map<Step, Outcome>();
        for (const step of transcript.steps) {
          const outcome = withoutWaits(await sandbox.sh(step.command));
          if (process.env.ANTS_RECORD) {
            const came = { exit: outcome.exit, stdout: named(outcome.stdout), stderr: named(outcome.stderr) };
            const same = came.exit === step.exit && !difference(step.stdout, came.stdout);
            if (!same || difference(step.stderr, came.stderr)) different.set(step, came);
            continue;
          }
          const context = `${name}:${step.line}: $ ${step.command}`;
          const rest = `\n--- its stdout:\n${outcome.stdout}\n--- its stderr:\n${outcome.stderr}`;
          expect(outcome.exit, `${context}: exit code${rest}`).toBe(step.exit);
          expect(difference(step.stdout, named(outcome.stdout)), `${context}: stdout${rest}`).toBeUndefined();
          expect(difference(step.stderr, named(outcome.stderr)), `${context}: stderr`).toBeUndefined();
        }
        if (different.size > 0) writeFileSync(`${folder}/${name}`, recorded(text, different));
      } finally {
        await sandbox.close();
      }
    });
  }
});

/** How soon a relay answers is this machine's affair: that it took long is no part of what a transcript says. */
function withoutWaits(outcome: Outcome): Outcome {
  return { ...outcome, stderr: outcome.stderr.replaceAll(/^waiting for .*\n/gm, "") };
}
