import type { CompletedCommand, Value } from "./model.js";

/** A script for fish 3 or later. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const valued = commands.flatMap(({ path, options }) =>
    options.filter(({ value }) => value !== undefined).map(({ flag }) => quoted(`${path}:${flag}`)),
  );
  const steps = commands.flatMap(({ path, children }) =>
    children.map(({ name }) => {
      const next = path === "" ? name : `${path} ${name}`;
      return `            case ${quoted(`${path}:${name}`)}\n                set at ${quoted(next)}`;
    }),
  );
  return `# fish completion of ants; load it with: ants completion fish | source
function __ants_at
    set -l at ""
    set -l skip ""
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip ""
            continue
        end
        switch "$at:$word"
            case ${valued.join(" ")}
                set skip 1
${steps.join("\n")}
        end
    end
    test "$at" = "$argv[1]"
end

complete -c ants -e
complete -c ants -f
${commands.flatMap(commandLines).join("\n")}
`;
}

function commandLines({ path, children, options, argument }: CompletedCommand): string[] {
  const start = `complete -c ants -n ${quoted(`__ants_at ${quoted(path)}`)}`;
  return [
    ...children.map(({ name, summary }) => `${start} -a ${quoted(name)} -d ${quoted(summary)}`),
    ...options.map(
      ({ flag, summary, value }) => `${start} -l ${flag.slice(2)} -d ${quoted(summary)}${valueOptions(value)}`,
    ),
    ...(argument?.kind === "file" ? [`${start} -F`] : []),
    ...(argument?.kind === "words" ? [`${start} -a ${quoted(argument.words.join(" "))}`] : []),
  ];
}

function valueOptions(value: Value | undefined): string {
  if (value === undefined) return "";
  if (value.kind === "file") return " -r -F";
  return value.kind === "words" ? ` -x -a ${quoted(value.words.join(" "))}` : " -x";
}

/** Fish's single quotes: only the quote itself and the backslash are escaped. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
