// Writes docs/errors.md from the table in src/protocol/errors.ts (its rows are in error-rows/); with --check it only says whether the file is current.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const bundle = await build({
  entryPoints: [at("src/protocol/errors.ts")],
  alias: { "#errors": at("src/protocol/error-table/node.ts") },
  bundle: true,
  format: "esm",
  write: false,
});
const source = Buffer.from(bundle.outputFiles[0].contents).toString("base64");
const { ERRORS, EXIT } = await import(`data:text/javascript;base64,${source}`);

const EXIT_MEANING = {
  ok: "done",
  failed: "failed",
  usage: "the command line, a file or a text was wrong",
  partlyDone: "partly done",
  refusedForSafety: "refused for safety",
  noVault: "no vault",
  wrongPassphrase: "wrong passphrase",
  lockedByAnother: "locked by another instance",
  unreachable: "unreachable",
  interrupted: "interrupted",
};

const sorted = Object.entries(ERRORS).sort(([one], [other]) => (one < other ? -1 : 1));
const rows = sorted.map(
  ([code, row]) =>
    `| <a id="${code}"></a>\`${code}\` | ${row.meaning} | ${row.wayOut} | ${row.retryable ? "yes" : "no"} | ${row.exit} |`,
);
const exits = Object.entries(EXIT).map(([name, number]) => `| ${number} | ${EXIT_MEANING[name]} |`);
const markdown = `# Errors

<!-- Written by scripts/errors-doc.mjs from src/protocol/errors.ts. Don't edit. -->

Every failure has a stable code. Programs compare codes, never texts: texts are for people and may change. In TypeScript
a failure is an \`AntsError\` with \`code\`, \`message\`, \`hint\` and \`details\`; on the wire it is a refusal with \`code\`,
\`message\`, \`retryable\` and \`details\`; with \`--json\` a command prints \`{"code","message","hint"}\`.

"Retry" says whether the very same attempt may succeed later with nothing changed.

| code | meaning | way out | retry | exit |
|---|---|---|---|---|
${rows.join("\n")}

## Exit codes

| exit | meaning |
|---|---|
${exits.join("\n")}
`;

const target = at("docs/errors.md");
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") === markdown) process.exit(0);
  process.stderr.write(
    "error: docs/errors.md is not what src/protocol/errors.ts says\nhint: node scripts/errors-doc.mjs\n",
  );
  process.exit(1);
}
writeFileSync(target, markdown);
