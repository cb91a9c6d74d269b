import { Option } from "commander";
import type { ConfigField } from "../../relay/config.js";

/**
 * One of the relay's settings as a command-line option, from the schema that also reads its file and its environment.
 * The option has no default and no environment variable of its own: what is absent on the command line must stay
 * absent, so that the environment and the file can speak.
 */
export function relayOption(field: ConfigField): Option {
  const value = field.type === "boolean" ? "" : ` <${field.type === "integer" ? "n" : field.type}>`;
  const fallback = field.default === "" || field.type === "boolean" ? "" : ` (${String(field.default)})`;
  const unit = field.type === "integer" ? ` In ${field.unit}.` : "";
  const option = new Option(`${field.flag}${value}`, `${field.description}${unit}${fallback}`);
  return field.choices === undefined ? option : option.choices([...field.choices]);
}
