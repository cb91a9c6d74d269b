import type { CompletedCommand, Value } from "./model.js";

/** A script for bash 4 or later, and nothing but its own functions: bash-completion need not be installed. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  return `# bash completion of ants; load it with: source <(ants completion bash)
_ants_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$1"))
}

_ants() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path="" skip="" word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$path:$word" in
${caseLine(
  commands.flatMap(({ path, options }) =>
    options.filter(({ value }) => value !== undefined).map(({ flag }) => `${path}:${flag}`),
  ),
  "skip=1",
)}
${commands
  .flatMap(({ path, children }) =>
    children.map(({ name }) => `      ${quoted(`${path}:${name}`)}) path=${quoted(joined(path, name))} ;;`),
  )
  .join("\n")}
    esac
  done
  case "$path:$prev" in
${commands
  .flatMap(({ path, options }) =>
    options.flatMap(({ flag, value }) =>
      value === undefined ? [] : [`    ${quoted(`${path}:${flag}`)}) ${replyWith(value)}; return ;;`],
    ),
  )
  .join("\n")}
  esac
  case "$path" in
${commands.map(commandCase).join("\n")}
  esac
}

complete -F _ants ants
`;
}

function commandCase({ path, children, options, argument }: CompletedCommand): string {
  const flags = options.map(({ flag }) => flag).join(" ");
  const names = children.map(({ name }) => name).join(" ");
  const rest = argument === undefined ? words(names) : replyWith(argument);
  return `    ${quoted(path)})
      if [[ $cur == -* ]]; then ${words(flags)}; else ${rest}; fi ;;`;
}

function replyWith(value: Value): string {
  if (value.kind === "file") return `_ants_files "$cur"`;
  return value.kind === "words" ? words(value.words.join(" ")) : "COMPREPLY=()";
}

function words(list: string): string {
  return `COMPREPLY=($(compgen -W ${quoted(list)} -- "$cur"))`;
}

function caseLine(patterns: readonly string[], action: string): string {
  return `      ${patterns.map(quoted).join("|")}) ${action} ;;`;
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path} ${name}`;
}

/** Within single quotes nothing means anything; one of them ends, escapes, and begins again. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
