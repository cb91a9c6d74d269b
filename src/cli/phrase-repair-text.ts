import type { PhraseRepair } from "../../keys/phrase-repair.js";

/** What to look at, likeliest first: `places` without the words that would stand there, which are secret. */
export function repairPlaces(repairs: readonly PhraseRepair[]): string[] {
  return [...new Set(repairs.map(placeOf))];
}

/** As {@link repairPlaces}, with the words: for the person at the terminal only, or for whoever asked for them. */
export function repairLines(repairs: readonly PhraseRepair[]): string[] {
  return repairs.map((repair) =>
    repair.change === "exchange" ? placeOf(repair) : `${placeOf(repair)}: did you mean ${repair.words.join(", ")}?`,
  );
}

function placeOf({ change, positions }: PhraseRepair): string {
  if (change === "check-word") return "the check word may be wrong";
  if (change === "exchange") return `words ${positions.join(" and ")} may be exchanged`;
  return positions.length === 1 ? `word ${positions[0]} may be wrong` : `words ${positions.join(", ")} may be wrong`;
}
