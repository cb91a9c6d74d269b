import type { Outcome } from "./sandbox.js";
import type { Step } from "./transcript.js";

/** What differs from run to run, and what stands for it. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\bants-(hot|cold)-\d{8}T\d{6}Z-[0-9a-f]{16}\b/g, "ants-$1-{16}-{16}"],
  [/\bage1[a-z0-9]{58}\b/g, "age1{58}"],
  [/\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b/g, "AGE-SECRET-KEY-1{58}"],
  [/\b\d+\.\d KiB/g, "… KiB"],
  [/"(size|timeMs)":\d+/g, '"$1":…'],
  [/did:ants:[a-z2-7]{52}/g, "did:ants:{52}"],
  [/\bz6Mk[1-9A-HJ-NP-Za-km-z]{44}/g, "z6Mk{44}"],
  [/\b[0-9a-f]{64}\b/g, "{64}"],
  [/\b[0-9a-f]{16}\.(\d+)\.[0-9a-f]{8}\b/g, "{16}.$1.{8}"],
  [/\b[0-9a-f]{16}\b/g, "{16}"],
  [/"sig":"[\w-]{86}"/g, '"sig":"{86}"'],
  [/"time":\d{13}/g, '"time":{13}'],
  [/\bprocess \d+/g, "process …"],
  [/\bps -p \d+/g, "ps -p …"],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "…"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "{10} {8}"],
  [/seen \d+ s ago \(told by [^)]*\)/g, "seen …"],
  [/"at":\d+/g, '"at":…'],
  [/\bin \d+ ms/g, "in … ms"],
  [/\bposition(":| )\d+/g, "position$1…"],
  [/[a-z2-7]{52}\.json/g, "{52}.json"],
];

/** The text of a transcript with what came in the place of what these steps expected. */
export function recorded(text: string, came: ReadonlyMap<Step, Outcome>): string {
  const lines = text.split("\n");
  for (const [step, { stdout, stderr, exit }] of [...came].reverse()) {
    const command = step.command.split("\n").map((line, index) => `${index === 0 ? "$" : ">"} ${line}`);
    const expected = [
      ...linesOf(stdout),
      ...linesOf(stderr).map((line) => (line === "" ? "!" : `! ${line}`)),
      ...(exit === 0 ? [] : [`? ${exit}`]),
    ];
    lines.splice(step.line - 1, step.end - step.line, ...command, ...expected);
  }
  return lines.join("\n");
}

function linesOf(text: string): string[] {
  const plain = VARYING.reduce((before, [pattern, stands]) => before.replace(pattern, stands), text);
  const lines = plain.split("\n");
  while (lines.at(-1) === "") lines.pop();
  return lines;
}
