/**
 * A transcript is what a person sees at a terminal, as a file:
 *
 *   # why it exists; lines before the first command
 *   @relays 3                 three relay processes; $R1, $R2, $R3 in commands and in what is expected
 *   $ ants whoami             a command, in bash; the lines after it are what it must print
 *   did:ants:{52}             on stdout; {52} stands for that many characters of any kind but blanks
 *   ! error: …                on stderr; … stands for anything within a line
 *   ...                       any number of lines
 *   ? 10                      its exit code, where that isn't 0
 */
export interface Step {
  readonly line: number;
  readonly command: string;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly exit: number;
}

export interface Transcript {
  readonly relays: number;
  readonly steps: readonly Step[];
}

export function parseTranscript(text: string): Transcript {
  const steps: { line: number; command: string; stdout: string[]; stderr: string[]; exit: number }[] = [];
  let relays = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const step = steps.at(-1);
    if (line.startsWith("@relays ")) relays = Number(line.slice("@relays ".length));
    else if (line.startsWith("$ "))
      steps.push({ line: index + 1, command: line.slice(2), stdout: [], stderr: [], exit: 0 });
    else if (step === undefined) continue;
    else if (line.startsWith("> ")) step.command += `\n${line.slice(2)}`;
    else if (line.startsWith("? ")) step.exit = Number(line.slice(2));
    else if (line === "!" || line.startsWith("! ")) step.stderr.push(line.slice(2));
    else step.stdout.push(line);
  }
  for (const step of steps) while (step.stdout.at(-1) === "") step.stdout.pop();
  return { relays, steps };
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
