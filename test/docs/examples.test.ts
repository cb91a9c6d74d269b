import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
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

describe("the examples of the documentation", () => {
  test("there are some, in README.md too", () => {
    expect(tested.map((page) => page.path)).toContain("README.md");
  });

  for (const page of tested)
    test(`${page.path}: what it shows runs`, { timeout: 620_000 }, async () => {
      const sandbox = new Sandbox("docs");
      try {
        if (page.blocks.some(({ language }) => language === "ts")) install(sandbox.work);
        const withPorts = await portMapping(page.blocks);
        const script = page.blocks.map((block) => {
          const { language, line } = block;
          const text = withPorts(block.text);
          return `# ${page.path}:${line}\n${language === "ts" ? `node ${compile(sandbox.work, { line, text })}` : text}`;
        });
        const { exit, stdout, stderr } = await sandbox.sh(`set -euo pipefail\n${script.join("\n")}`, {
          timeoutMs: 600_000,
        });
        expect(exit, `${stdout}\n${stderr}`).toBe(0);
      } finally {
        await sandbox.close();
      }
    });
});

/** The relays of a page take ports that are free here, whatever runs on those that the page names (74xx). */
async function portMapping(found: readonly Block[]): Promise<(text: string) => string> {
  const named = new Set(found.flatMap(({ text }) => text.match(/\b74\d\d\b/g) ?? []));
  const free = new Map<string, string>();
  // All are held until all are known, so that no two are the same.
  const servers: Server[] = [];
  for (const port of named) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    free.set(port, String((server.address() as AddressInfo).port));
    servers.push(server);
  }
  for (const server of servers) server.close();
  return (text) => text.replace(/\b74\d\d\b/g, (port) => free.get(port)!);
}

/** Makes the folder a package that has installed this one. */
function install(folder: string): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(PACKAGE, join(folder, "node_modules/ants-agent"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
}

/** Type-checks the block and compiles it in the folder; returns the program's name. */
function compile(folder: string, block: Pick<Block, "line" | "text">): string {
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
