import { quoted } from "./bash.js";
import type { CompletedCommand, Value } from "./model.js";

/** A script for zsh: to be sourced after compinit, or kept as _ants in a folder of $fpath. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  return `#compdef ants
# zsh completion of ants; load it with: source <(ants completion zsh)
_ants() {
  local cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} at="" skip="" word
  local -a found
  local -i i
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$at:$word" in
      ${commands
        .flatMap(({ path, options }) =>
          options.filter(({ value }) => value !== undefined).map(({ flag }) => quoted(`${path}:${flag}`)),
        )
        .join("|")}) skip=1 ;;
${commands
  .flatMap(({ path, children }) =>
    children.map(
      ({ name }) => `      ${quoted(`${path}:${name}`)}) at=${quoted(path === "" ? name : `${path} ${name}`)} ;;`,
    ),
  )
  .join("\n")}
    esac
  done
  case "$at:$prev" in
${commands
  .flatMap(({ path, options }) =>
    options.flatMap(({ flag, value }) =>
      value === undefined ? [] : [`    ${quoted(`${path}:${flag}`)}) ${replyWith(value)}; return ;;`],
    ),
  )
  .join("\n")}
  esac
  case "$at" in
${commands.map(commandCase).join("\n")}
  esac
}

if [[ \${funcstack[1]} == _ants ]]; then _ants "$@"; else compdef _ants ants; fi
`;
}

function commandCase({ path, children, options, argument }: CompletedCommand): string {
  const flags = described(options.map(({ flag, summary }) => ({ name: flag, summary })));
  const rest = argument === undefined ? described(children) : replyWith(argument);
  return `    ${quoted(path)})
      if [[ $cur == -* ]]; then ${flags}; else ${rest}; fi ;;`;
}

function described(items: readonly { readonly name: string; readonly summary: string }[]): string {
  if (items.length === 0) return ":";
  const rows = items.map(({ name, summary }) => quoted(`${name}:${summary}`));
  return `found=(${rows.join(" ")}); _describe ants found`;
}

function replyWith(value: Value): string {
  if (value.kind === "file") return "_files";
  return value.kind === "words" ? `compadd -- ${value.words.map(quoted).join(" ")}` : ":";
}
