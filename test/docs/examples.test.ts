import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { Sandbox } from "../transcripts/sandbox.js";
import { type Block, blocks, PACKAGE, pages } from "./pages.js";

/**
 * What the pages tell people to type is typed here, in order and on one fresh machine a page: its `sh test` blocks as one
 * script, and each `ts test` block, type-checked, as a program in a package that has installed this one.
 */
const tested = pages()
  .map(({ path, text }) => ({ path, blocks: blocks(text).filter((block) => block.words.includes("test")) }))
  .filter((page) => page.blocks.length > 0);

// A page's relays take the ports that it names: one page after the other.
describe.sequential("the examples of the documentation", () => {
  test("there are some, in README.md too", () => {
    expect(tested.map((page) => page.path)).toContain("README.md");
  });

  for (const page of tested)
    test(`${page.path}: what it shows runs`, { timeout: 180_000 }, async () => {
      const sandbox = new Sandbox("docs");
      try {
        if (page.blocks.some(({ language }) => language === "ts")) install(sandbox.work);
        const script = page.blocks.map((block) => {
          const command = block.language === "ts" ? `node ${compile(sandbox.work, block)}` : block.text;
          return `# ${page.path}:${block.line}\n${command}`;
        });
        const { exit, stdout, stderr } = await sandbox.sh(`set -euo pipefail\n${script.join("\n")}`, {
          timeoutMs: 170_000,
        });
        expect(exit, `${stdout}\n${stderr}`).toBe(0);
      } finally {
        await sandbox.close();
      }
    });
});

/** Makes the folder a package that has installed this one. */
function install(folder: string): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(PACKAGE, join(folder, "node_modules/ants-agent"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
}

/** Type-checks the block and compiles it in the folder; returns the program's name. */
function compile(folder: string, block: Block): string {
  const name = `example-${block.line}`;
  const file = join(folder, `${name}.ts`);
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
  return `${name}.js`;
}
