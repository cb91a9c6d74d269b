import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

/** What a program that uses the package gets told by its compiler, with nothing but the compiler's own defaults. */
function problemsOf(text: string, options: ts.CompilerOptions): string[] {
  const folder = mkdtempSync(join(tmpdir(), "ants-types-"));
  try {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(PACKAGE, join(folder, "node_modules/ants-agent"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    const file = join(folder, "program.ts");
    writeFileSync(file, text);
    const program = ts.createProgram([file], {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      noEmit: true,
      types: [],
      ...options,
    });
    return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      return `${file?.fileName ?? ""}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("the front door's types need no setting, no lib and no other package's types", () => {
  const text = `
    import { follow, type Pen, RelayConnection } from "ants-agent";
    import { generateSeed } from "ants-agent/keys";
    export const read = (url: string) => follow({ relays: [url] });
    export const close = (pen: Pen, connection: RelayConnection): Promise<unknown> =>
      Promise.all([pen[Symbol.asyncDispose](), connection[Symbol.asyncDispose]()]);
    export const seed: Uint8Array = generateSeed();
  `;
  expect(problemsOf(text, {})).toEqual([]);
});

it("nor do those of the doors for Node, beside Node's own types", () => {
  const text = `
    import { openHome } from "ants-agent/agent";
    import { startRelay } from "ants-agent/relay";
    export const doors = [openHome, startRelay];
  `;
  const options = { typeRoots: [join(PACKAGE, "node_modules/@types")], types: ["node"], skipLibCheck: true };
  expect(problemsOf(text, options)).toEqual([]);
});
