// Writes docs/relay-config.md from the relay's one settings schema; with --check it only says whether the file is current.
// Run after a build: node scripts/config-doc.mjs [--check]
import { readFileSync, writeFileSync } from "node:fs";
import { relayConfigTable, sampleRelayConfig } from "../dist/relay/config-text.js";

const path = "docs/relay-config.md";
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
  process.stderr.write(`${path} is not current: run node scripts/config-doc.mjs\n`);
  process.exit(1);
}
