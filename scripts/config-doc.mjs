// Writes docs/relay-config.md from the relay's one settings schema; with --check it only says whether the file is current.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const bundle = await build({
  entryPoints: [at("relay/config-text.ts")],
  bundle: true,
  format: "esm",
  platform: "node",
  write: false,
});
const source = Buffer.from(bundle.outputFiles[0].contents).toString("base64");
const { relayConfigTable, sampleRelayConfig } = await import(`data:text/javascript;base64,${source}`);

const path = at("docs/relay-config.md");
const page = `# Settings of a relay

A flag overrides the environment, the environment overrides the file (\`ants relay --config relay.toml\`), the file
overrides the default. A name that no setting has is an error, wherever it stands. Limits are stated in \`hello\`, and
every refusal names the limit it enforces. This page is generated: \`node scripts/config-doc.mjs\`.

${relayConfigTable()}
## A sample file

\`\`\`toml
${sampleRelayConfig()}\`\`\`
`;
if (!process.argv.includes("--check")) writeFileSync(path, page);
else if (readFileSync(path, "utf8") !== page) {
  process.stderr.write(`docs/relay-config.md is not current: run node scripts/config-doc.mjs\n`);
  process.exit(1);
}
