// Rules that no linter of ours knows, checked on the syntax tree of every source file:
//   - only the programs (src/cli) read argv and environment, log, prompt, catch signals or exit: everything below them
//     gets what it needs handed in (asking the system for its own pid or user is no such thing)
//   - every error thrown has a stable code: no bare `new Error(…)`
//   - nothing unfinished is checked in
// Run: node scripts/house-rules.mjs
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const SOURCES = ["keys", "src", "relay"];
const PROGRAMS = /^src\/(cli|mcp)\//;
/** Where the system is touched for everyone else: pids for locks, and the end of the process for temporary files. */
const SYSTEM = /^keys\/node\//;
const OF_PROGRAMS = new Set(
  "abort argv argv0 chdir cwd emitWarning env execArgv exit exitCode off on once setUncaughtExceptionCaptureCallback stderr stdin stdout title umask".split(
    " ",
  ),
);
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
  const system = SYSTEM.test(path);
  const walk = (node) => {
    if (!program && ts.isIdentifier(node) && isReference(node)) {
      if (node.text === "console") at(node, "console belongs to the programs in src/cli");
      const parent = node.parent;
      const member = ts.isPropertyAccessExpression(parent) ? parent.name.text : "process as a whole";
      const atExit = system && (member === "on" || member === "off");
      if (node.text === "process" && !atExit && (member === "process as a whole" || OF_PROGRAMS.has(member)))
        at(node, `process.${member} belongs to the programs in src/cli; hand the value in instead`);
    }
    if (!program && !system && ts.isImportDeclaration(node) && AMBIENT_MODULES.has(node.moduleSpecifier.text))
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
