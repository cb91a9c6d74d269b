import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

export interface Block {
  readonly language: string;
  /** The words after the language in the fence: `sh test` has ["test"]. */
  readonly words: readonly string[];
  readonly text: string;
  readonly line: number;
}

/** Every Markdown page of the project, by its path from the package's root. */
export function pages(): { path: string; text: string }[] {
  const docs = readdirSync(join(PACKAGE, "docs"), { recursive: true, encoding: "utf8" }).map((name) =>
    join("docs", name),
  );
  const top = readdirSync(PACKAGE);
  return [...top, ...docs]
    .filter((path) => path.endsWith(".md"))
    .sort()
    .map((path) => ({ path: relative(PACKAGE, join(PACKAGE, path)), text: readFileSync(join(PACKAGE, path), "utf8") }));
}

/** The fenced blocks of a page, in order. */
export function blocks(markdown: string): Block[] {
  const found: Block[] = [];
  const fence = /^```(\S+)([^\n]*)\n(.*?)^```$/gms;
  for (const match of markdown.matchAll(fence)) {
    const line = markdown.slice(0, match.index).split("\n").length;
    found.push({ language: match[1]!, words: match[2]!.trim().split(/\s+/).filter(Boolean), text: match[3]!, line });
  }
  return found;
}
