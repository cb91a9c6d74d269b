import type { Finding } from "./finding.js";

/** `later`: this version has nothing for it yet, and the agent's own program has to see to it. */
export type ItemState = "yes" | "no" | "later";

export interface Item {
  readonly group: "storage" | "timing" | "progress" | "context";
  readonly item: string;
  readonly state: ItemState;
  readonly why: string;
}

const LATER = "not part of this version";

/** What a well-kept agent has: the deployment checklist, as far as findings show it. */
export function checklist(findings: readonly Finding[]): Item[] {
  const broken = (check: string): Finding | undefined =>
    findings.find((finding) => finding.check === check && finding.level === "broken");
  const lost = broken("home") ?? broken("vault");
  const damaged = broken("chain") ?? broken("quorum");
  const later = (group: Item["group"], ...items: string[]): Item[] =>
    items.map((item) => ({ group, item, state: "later", why: LATER }));
  return [
    {
      group: "storage",
      item: "durable, not in memory",
      ...(lost === undefined
        ? { state: "yes", why: "home and vault are on a disk" }
        : { state: "no", why: lost.found }),
    },
    { group: "storage", item: "one writer enforced", state: "yes", why: "the home's lock, and a quorum of relays" },
    {
      group: "storage",
      item: "copies elsewhere",
      ...(damaged === undefined
        ? { state: "yes", why: "the chain is on a quorum of relays" }
        : { state: "no", why: damaged.found }),
    },
    ...later("storage", "backup strategy defined and verified", "old checkpoints expire"),
    ...later(
      "timing",
      "intent before",
      "outcome after",
      "resume handles what was in progress",
      "external check for effects",
    ),
    ...later("progress", "explicit task files", "commits after progress", "a next action always"),
    ...later("context", "observation masking", "pruning", "long-term memory apart from session state"),
  ];
}
