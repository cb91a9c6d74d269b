// Rules that no linter of ours knows, checked on the syntax tree of every source file:
//   - only the programs (src/cli) touch process, console or the terminal: everything below gets what it needs handed in
//   - every error thrown has a stable code: no bare `new Error(…)`
//   - nothing unfinished is checked in
// Run: node scripts/house-rules.mjs
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const SOURCES = ["keys", "src", "relay"];
const PROGRAMS = /^src\/(cli|mcp)\//;
const AMBIENT = new Set(["process", "console"]);
const AMBIENT_MODULES = new Set(["node:process", "process", "node:tty", "tty", "node:readline", "node:console"]);
const MAX_LINES = 400;

const files = SOURCES.flatMap((root) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name)),
);
const findings = files.flatMap(check);
for (const finding of findings) process.stderr.write(`${finding}\n`);
if (findings.length > 0) process.exit(1);
process.stdout.write(`house rules: ${files.length} files, nothing to say\n`);

function check(path) {
  const text = readFileSync(path, "utf8");
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const at = (node, message) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    found.push(`${path}:${line + 1}: ${message}`);
  };
  const program = PROGRAMS.test(path);
  const walk = (node) => {
    if (!program && ts.isIdentifier(node) && AMBIENT.has(node.text) && isReference(node))
      at(node, `${node.text} belongs to the programs in src/cli; hand the value in instead`);
    if (!program && ts.isImportDeclaration(node) && AMBIENT_MODULES.has(node.moduleSpecifier.text))
      at(node, `${node.moduleSpecifier.text} belongs to the programs in src/cli`);
    if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "Error")
      at(node, "a bare Error has no code: use AntsError");
    ts.forEachChild(node, walk);
  };
  walk(source);
  for (const [index, line] of text.split("\n").entries())
    if (/\b(TODO|FIXME|XXX)\b/.test(line)) found.push(`${path}:${index + 1}: unfinished work is finished or removed`);
  const lines = text.split("\n").length - 1;
  if (lines > MAX_LINES) found.push(`${path}: ${lines} lines; does it still hold one noun?`);
  return found;
}

/** True for `process.env` and `typeof process`, false for `{process: 1}`, `x.process` and type members. */
function isReference(node) {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent) || ts.isPropertySignature(parent))
    return parent.name !== node;
  if (ts.isPropertyDeclaration(parent) || ts.isMethodSignature(parent) || ts.isParameter(parent))
    return parent.name !== node;
  if (ts.isVariableDeclaration(parent) || ts.isFunctionDeclaration(parent) || ts.isBindingElement(parent)) return false;
  return true;
}
