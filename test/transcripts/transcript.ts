/**
 * A transcript is what a person sees at a terminal, as a file:
 *
 *   # a remark, anywhere; the first ones say why the file exists
 *   @relays 3                 three relay processes; $R1, $R2, $R3 in commands and in what is expected, $P1 … their pids
 *   @env NAME=value           a variable for all commands
 *   $ ants whoami             a command, in bash; the lines after it are what it must print
 *   did:ants:{52}             on stdout; {52} stands for that many characters of any kind but blanks
 *   ! error: …                on stderr; … stands for anything within a line
 *   ...                       any number of lines
 *   ? 10                      its exit code, where that isn't 0
 *
 * `ANTS_RECORD=1 npx vitest run test/transcripts` writes what came into the files, where it is not what was expected:
 * look at the difference before you commit it.
 */
export interface Step {
  /** Counted from 1. */
  readonly line: number;
  /** The line after the last one of what is expected. */
  readonly end: number;
  readonly command: string;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly exit: number;
}

export interface Transcript {
  readonly relays: number;
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly steps: readonly Step[];
}

export function parseTranscript(text: string): Transcript {
  const steps: { line: number; end: number; command: string; stdout: string[]; stderr: string[]; exit: number }[] = [];
  const env: [string, string][] = [];
  let relays = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const step = steps.at(-1);
    if (line.startsWith("# ")) continue;
    const [, name, value] = /^@env (\w+)=(.*)$/.exec(line) ?? [];
    if (line.startsWith("@relays ")) relays = Number(line.slice("@relays ".length));
    else if (name !== undefined) env.push([name, value!]);
    else if (line.startsWith("$ "))
      steps.push({ line: index + 1, end: index + 2, command: line.slice(2), stdout: [], stderr: [], exit: 0 });
    else if (step === undefined) continue;
    else if (line.startsWith("> ")) step.command += `\n${line.slice(2)}`;
    else if (line.startsWith("? ")) step.exit = Number(line.slice(2));
    else if (line === "!" || line.startsWith("! ")) step.stderr.push(line.slice(2));
    else step.stdout.push(line);
    if (step !== undefined && line !== "" && !line.startsWith("$ ")) step.end = index + 2;
  }
  for (const step of steps) while (step.stdout.at(-1) === "") step.stdout.pop();
  return { relays, env, steps };
}

/** The first difference between what is expected and what came, or undefined. */
export function difference(expected: readonly string[], actual: string): string | undefined {
  const came = actual.split("\n");
  while (came.at(-1) === "") came.pop();
  const pattern = expected.map(linePattern).join("");
  if (new RegExp(`^${pattern}$`, "su").test(came.map((line) => `${line}\n`).join(""))) return undefined;
  return `expected:\n${expected.join("\n")}\n\ncame:\n${came.join("\n")}`;
}

function linePattern(line: string): string {
  if (line === "...") return "(?:[^\\n]*\\n)*?";
  const escaped = line
    .replace(/[\\^$.*+?()[\]|/]/g, "\\$&")
    .replace(/\{(\d+)\}|[{}]/g, (match, count?: string) => (count === undefined ? `\\${match}` : `\\S{${count}}`));
  return `${escaped.replaceAll("…", "[^\\n]*?")}\\n`;
}
