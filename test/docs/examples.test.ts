import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { Sandbox } from "../transcripts/sandbox.js";
import { type Block, blocks, PACKAGE, pages } from "./pages.js";

/**
 * What the pages tell people to type is typed here. The `sh test` blocks of a page run in order as one script on one
 * fresh machine; each `ts test` block is type-checked and run as a program that has installed this package.
 */
const tested = pages()
  .map(({ path, text }) => ({ path, blocks: blocks(text).filter((block) => block.words.includes("test")) }))
  .filter((page) => page.blocks.length > 0);

// A page's relays take the ports that it names: one page after the other.
describe.sequential("the examples of the documentation", () => {
  test("there are some, in README.md too", () => {
    expect(tested.map((page) => page.path)).toContain("README.md");
  });

  for (const page of tested) {
    const shell = page.blocks.filter((block) => block.language === "sh");
    if (shell.length > 0)
      test(`${page.path}: the commands run`, { timeout: 180_000 }, async () => {
        const sandbox = new Sandbox("docs");
        try {
          const script = shell.map((block) => `# ${page.path}:${block.line}\n${block.text}`).join("\n");
          const { exit, stdout, stderr } = await sandbox.sh(`set -euo pipefail\n${script}`, { timeoutMs: 170_000 });
          expect(exit, `${stdout}\n${stderr}`).toBe(0);
        } finally {
          await sandbox.close();
        }
      });

    for (const block of page.blocks.filter((each) => each.language === "ts"))
      test(`${page.path}:${block.line}: the program compiles and runs`, { timeout: 120_000 }, async () => {
        const sandbox = new Sandbox("docs");
        try {
          install(sandbox.work, block);
          const { exit, stdout, stderr } = await sandbox.sh("node example.js", { timeoutMs: 60_000 });
          expect(exit, `${stdout}\n${stderr}`).toBe(0);
        } finally {
          await sandbox.close();
        }
      });
  }
});

/** A package that depends on this one, with the block as example.ts, type-checked and compiled to example.js. */
function install(folder: string, block: Block): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(PACKAGE, join(folder, "node_modules/ants-agent"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  const file = join(folder, "example.ts");
  writeFileSync(file, block.text);
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    typeRoots: [join(PACKAGE, "node_modules/@types")],
    types: ["node"],
  });
  const problems = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  const messages = problems.map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
  expect(messages, `${block.line}: type errors`).toEqual([]);
}
