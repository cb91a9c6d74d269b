import { Option } from "commander";
import type { ConfigField } from "../../relay/config.js";

/**
 * One of the relay's settings as a command-line option, from the schema that also reads its file and its environment.
 * The option has no default and no environment variable of its own: what is absent on the command line must stay
 * absent, so that the environment and the file can speak.
 */
export function relayOption(field: ConfigField): Option {
  const option = new Option(`${field.flag}${placeholderOf(field)}`, `${field.description}${fallbackOf(field)}`);
  return field.choices === undefined ? option : option.choices([...field.choices]);
}

function placeholderOf({ type, unit }: ConfigField): string {
  if (type === "boolean") return "";
  if (type === "integer") return " <n>";
  return ` <${type === "text" ? unit.toLowerCase() : type}>`;
}

/** The default with its unit, where the description does not begin with that: "(64 follows)". */
function fallbackOf({ type, unit, description, default: fallback }: ConfigField): string {
  if (fallback === "" || type === "boolean") return "";
  const told = type !== "integer" || description.toLowerCase().startsWith(unit.toLowerCase());
  return ` (${String(fallback)}${told ? "" : ` ${unit}`})`;
}
