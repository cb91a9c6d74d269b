import type { Argument, Command, Option } from "commander";

/** What may stand in the place of a value: nothing that is known, a file's name, or one of a few words. */
export type Value =
  | { readonly kind: "text" }
  | { readonly kind: "file" }
  | { readonly kind: "words"; readonly words: readonly string[] };

export interface CompletedOption {
  /** With its two dashes. */
  readonly flag: string;
  readonly summary: string;
  /** Absent: it takes none. */
  readonly value?: Value;
}

/** One command as a shell completes it. */
export interface CompletedCommand {
  /** The words that name it, without the program's: "", "vault", "vault export". */
  readonly path: string;
  readonly children: readonly { readonly name: string; readonly summary: string }[];
  /** Its own and the program's. */
  readonly options: readonly CompletedOption[];
  readonly argument?: Value;
}

/** Every command of the grammar, the program itself first. */
export function completedCommands(program: Command): CompletedCommand[] {
  const global = program.options.map(completedOption);
  const walk = (command: Command, path: string): CompletedCommand[] => {
    const own = command === program ? [] : command.options.map(completedOption);
    const argument = command.registeredArguments[0];
    return [
      {
        path,
        children: command.commands.map((child) => ({ name: child.name(), summary: child.description() })),
        options: [...own, ...global, { flag: "--help", summary: "say what it does, with examples" }],
        ...(argument === undefined ? {} : { argument: valueFor(argument, argument.name()) }),
      },
      ...command.commands.flatMap((child) => walk(child, path === "" ? child.name() : `${path} ${child.name()}`)),
    ];
  };
  return walk(program, "");
}

function completedOption(option: Option): CompletedOption {
  const placeholder = /[<[]([^\]>]+)[\]>]/.exec(option.flags)?.[1];
  return {
    flag: option.long!,
    summary: option.description,
    ...(placeholder === undefined ? {} : { value: valueFor(option, placeholder) }),
  };
}

/** Placeholders that stand for a path, in options and arguments. */
const PATHS = new Set(["file", "dir", "share", "share..."]);

function valueFor({ argChoices }: Option | Argument, placeholder: string): Value {
  if (argChoices !== undefined) return { kind: "words", words: argChoices };
  return { kind: PATHS.has(placeholder) ? "file" : "text" };
}
