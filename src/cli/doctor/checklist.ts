import type { Finding } from "./finding.js";

/**
 * `library`: ants has it, and the agent's own program has to use it: whether it does is not seen from here. `later`: this
 * version has nothing for it yet, and the program has to see to it.
 */
export type ItemState = "yes" | "no" | "library" | "later";

export interface Item {
  readonly group: "storage" | "timing" | "progress" | "context";
  readonly item: string;
  readonly state: ItemState;
  readonly why: string;
}

const LATER = "not part of this version";
const STEPS = "agent.steps does it where the agent's program runs its effects through it: docs/steps.md";

/** What a well-kept agent has: the deployment checklist, as far as findings show it. */
export function checklist(findings: readonly Finding[]): Item[] {
  /** "yes" is what was found to be so; what was not looked at, or is only advised against, is not. */
  const whenAll = (checks: readonly string[], why: string): Pick<Item, "state" | "why"> => {
    for (const check of checks) {
      const finding = findings.find((candidate) => candidate.check === check);
      if (finding === undefined) return { state: "no", why: `nothing is known of the ${check}` };
      if (finding.level !== "ok") return { state: "no", why: finding.found };
    }
    return { state: "yes", why };
  };
  const later = (group: Item["group"], ...items: string[]): Item[] =>
    items.map((item) => ({ group, item, state: "later", why: LATER }));
  return [
    { group: "storage", item: "durable, not in memory", ...whenAll(["home", "vault"], "home and vault are on a disk") },
    {
      group: "storage",
      item: "one writer enforced",
      ...whenAll(["identity"], "the home's lock, and a quorum of relays"),
    },
    {
      group: "storage",
      item: "copies elsewhere",
      ...whenAll(["chain", "quorum"], "the chain is on a quorum of relays"),
    },
    {
      group: "storage",
      item: "backup strategy defined and verified",
      ...whenAll(["backup plan", "verified backup"], "backups are made by a plan, and read back"),
    },
    ...later("storage", "old checkpoints expire"),
    ...["intent before", "outcome after", "resume handles what was in progress", "external check for effects"].map(
      (item): Item => ({ group: "timing", item, state: "library", why: STEPS }),
    ),
    ...later("progress", "explicit task files", "commits after progress", "a next action always"),
    ...later("context", "observation masking", "pruning", "long-term memory apart from session state"),
  ];
}
