import { printable } from "../text.js";
import { KIT_WORDS, type Kit, kitCommands, kitFacts } from "./kit.js";

const COLUMNS = 3;
const BLANK = "________________";

/** The kit as plain text, at most 100 columns where its facts allow it. */
export function kitText(kit: Kit): string {
  const blank = kit.words === undefined;
  const lines = [
    "RECOVERY KIT OF AN AGENT",
    blank
      ? "Write the 24 words and the check word on it by hand. Whoever has them is the agent."
      : "The words are on it: whoever reads this sheet is the agent. Keep it off every machine.",
    "",
    ...kitFacts(kit).map(([name, value]) => `${name.padEnd(12)} ${oneLine(value)}`),
    `${"copies".padEnd(12)} of the vault and backups are at: ${BLANK}${BLANK}`,
    "",
    ...wordRows(kit.words),
    "",
    ...kitCommands(kit).flatMap(({ when, line }) => [`${when}:`, `  ${oneLine(line)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function wordRows(words: readonly string[] | undefined): string[] {
  const cells = Array.from({ length: KIT_WORDS }, (_, i) => {
    const name = i + 1 === KIT_WORDS ? "check" : String(i + 1).padStart(5);
    return `${name} ${(words?.[i] ?? BLANK).padEnd(BLANK.length)}`;
  });
  const rows = Math.ceil(KIT_WORDS / COLUMNS);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: COLUMNS }, (_, column) => cells[column * rows + row] ?? "")
      .join("   ")
      .trimEnd(),
  );
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, " ");
}
