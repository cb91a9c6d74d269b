/** The sample file and the docs table of a relay's settings, generated from their one schema. */
import { type ConfigField, relayConfigFields } from "./config.js";

/** A TOML file with every setting at its default, commented out, each under its description and unit. */
export function sampleRelayConfig(): string {
  const blocks = relayConfigFields().map(
    (field) =>
      `# ${field.description}\n# ${field.unit}; ${field.variable}, ${field.flag}\n# ${field.key} = ${literal(field)}`,
  );
  const head = "# Settings of an ants relay. A flag overrides the environment, which overrides this file.\n";
  return `${head}\n${blocks.join("\n\n")}\n`;
}

/** The Markdown table of docs/relay-config.md. */
export function relayConfigTable(): string {
  const rows = relayConfigFields().map(
    (field) =>
      `| \`${field.key}\` | ${field.unit} | \`${literal(field)}\` | \`${field.flag}\` | \`${field.variable}\` | ${field.description} |`,
  );
  const head = "| in the file | unit | default | flag | environment | what it sets |\n|---|---|---|---|---|---|";
  return `${head}\n${rows.join("\n")}\n`;
}

function literal(field: ConfigField): string {
  return typeof field.default === "string" ? JSON.stringify(field.default) : String(field.default);
}
