import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Sandbox } from "./sandbox.js";
import { difference, parseTranscript } from "./transcript.js";

const folder = fileURLToPath(new URL(".", import.meta.url));

describe("what a person sees at a terminal", () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
    test(`is what ${name} says`, { timeout: 120_000 }, async () => {
      const transcript = parseTranscript(readFileSync(`${folder}/${name}`, "utf8"));
      const sandbox = new Sandbox(name.replace(".txt", ""));
      try {
        const names: [string, string][] = [
          [sandbox.work, "$PWD"],
          [sandbox.env.HOME!, "$HOME"],
        ];
        for (let n = 1; n <= transcript.relays; n++) {
          const url = await sandbox.relay(`relay-${n}`);
          sandbox.env[`R${n}`] = url;
          names.push([url, `$R${n}`], [new URL(url).host, `$H${n}`]);
        }
        const named = (text: string) => names.reduce((before, [value, label]) => before.replaceAll(value, label), text);
        for (const step of transcript.steps) {
          const outcome = await sandbox.sh(step.command);
          const context = `${name}:${step.line}: $ ${step.command}`;
          const rest = `\n--- its stdout:\n${outcome.stdout}\n--- its stderr:\n${outcome.stderr}`;
          expect(outcome.exit, `${context}: exit code${rest}`).toBe(step.exit);
          expect(difference(step.stdout, named(outcome.stdout)), `${context}: stdout${rest}`).toBeUndefined();
          expect(difference(step.stderr, named(outcome.stderr)), `${context}: stderr`).toBeUndefined();
        }
      } finally {
        await sandbox.close();
      }
    });
  }
});
