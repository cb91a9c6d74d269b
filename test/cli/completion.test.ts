import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { relayConfigFields } from "../../relay/config.js";
import { bashCompletion } from "../../src/cli/completion/bash.js";
import { fishCompletion } from "../../src/cli/completion/fish.js";
import { completedCommands } from "../../src/cli/completion/model.js";
import { zshCompletion } from "../../src/cli/completion/zsh.js";
import { buildProgram } from "../../src/cli/program.js";
import { Pty } from "./pty.js";

const program = buildProgram(async () => {}, relayConfigFields());
const commands = completedCommands(program);

let folder: string;
const scripts = { bash: "", zsh: "", fish: "" };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ants-completion-"));
  for (const [shell, script] of [
    ["bash", bashCompletion(commands)],
    ["zsh", zshCompletion(commands)],
    ["fish", fishCompletion(commands)],
  ] as const) {
    scripts[shell] = join(folder, `ants.${shell}`);
    writeFileSync(scripts[shell], script);
  }
  mkdirSync(join(folder, "files"));
  writeFileSync(join(folder, "files", "a words file.txt"), "");
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What a real bash offers after this line, with the cursor at its end. */
function inBash(line: string): string[] {
  const words = line.split(" ");
  const program = `
    source ${scripts.bash}
    cd ${folder}/files
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
    _ants
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-c", program], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout.split("\n").filter(Boolean);
}

function inFish(line: string): string[] {
  const { stdout, stderr } = spawnSync(
    "fish",
    ["--no-config", "-c", `source ${scripts.fish}; cd ${folder}/files; complete -C '${line}'`],
    { encoding: "utf8", env: { ...process.env, HOME: folder } },
  );
  expect(stderr).toBe("");
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((row) => row.split("\t")[0]!);
}

/** Types lines into an interactive zsh, each with Tab and Enter; resolves when `ants` was called with these words. */
async function inZsh(calls: readonly (readonly [line: string, words: string])[]): Promise<void> {
  const zsh = new Pty("zsh -f -i", { ...process.env, HOME: folder, TERM: "dumb", LANG: "C.UTF-8" });
  zsh.type(`autoload -U compinit; compinit -u -D; source ${scripts.zsh}; cd ${folder}/files\n`);
  zsh.type("ants() { printf '<%s>' $@; }; echo lo''aded\n");
  await zsh.waitFor("loaded");
  for (const [line, words] of calls) {
    zsh.type(`${line}\t\n`);
    await zsh.waitFor(words);
  }
  zsh.type("exit\n");
  await zsh.end();
}

const cases: readonly { line: string; offered: readonly string[]; absent: readonly string[] }[] = [
  { line: "ants pub", offered: ["publish"], absent: ["phrase"] },
  { line: "ants ph", offered: ["phrase"], absent: [] },
  { line: "ants vault ", offered: ["export", "import", "passwd", "share", "verify"], absent: ["keygen", "publish"] },
  { line: "ants --home somewhere vault ex", offered: ["export"], absent: [] },
  { line: "ants keygen --fau", offered: ["--faults"], absent: [] },
  { line: "ants publish --durability ", offered: ["one", "quorum", "all"], absent: ["--durability"] },
  { line: "ants publish --durability q", offered: ["quorum"], absent: ["one"] },
  { line: "ants phrase verify --sh", offered: ["--share-file", "--show-candidates"], absent: [] },
  { line: "ants completion ", offered: ["bash", "zsh", "fish"], absent: [] },
  { line: "ants relay --da", offered: ["--data"], absent: [] },
];

describe("bash", () => {
  it.each(cases)("offers after $line", ({ line, offered, absent }) => {
    const came = inBash(line);
    for (const word of offered) expect(came).toContain(word);
    for (const word of absent) expect(came).not.toContain(word);
  });

  it("offers files where a file is meant, with blanks in their names, and nothing where none is", () => {
    expect(inBash("ants phrase verify --phrase-file a")).toEqual(["a words file.txt"]);
    expect(inBash("ants vault import a")).toEqual(["a words file.txt"]);
    expect(inBash("ants publish --kind ")).toEqual([]);
    expect(inBash("ants whoami a")).toEqual([]);
  });

  it("knows every command and option of the grammar", () => {
    for (const { path, children, options } of commands) {
      const line = path === "" ? "ants " : `ants ${path} `;
      if (children.length > 0) expect(inBash(line).sort()).toEqual(children.map(({ name }) => name).sort());
      expect(inBash(`${line}--`).sort()).toEqual([...new Set(options.map(({ flag }) => flag))].sort());
    }
  });
});

describe("fish", () => {
  it.each(cases)("offers after $line", ({ line, offered, absent }) => {
    const came = inFish(line);
    for (const word of offered) expect(came).toContain(word);
    for (const word of absent) expect(came).not.toContain(word);
  });

  it("offers files where a file is meant", () => {
    expect(inFish("ants vault import a")).toEqual(["a words file.txt"]);
    expect(inFish("ants phrase verify --phrase-file a")).toEqual(["a words file.txt"]);
    expect(inFish("ants whoami a")).toEqual([]);
  });
});

describe("zsh", () => {
  it("loads the script without a complaint", () => {
    const { stderr, status } = spawnSync("zsh", ["-f", "-n", scripts.zsh], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("completes commands, options, choices and files", async () => {
    await inZsh([
      ["ants pub", "<publish>"],
      ["ants vault pas", "<vault><passwd>"],
      ["ants keygen --fau", "<keygen><--faults>"],
      ["ants publish --durability q", "<publish><--durability><quorum>"],
      ["ants vault import a", "<vault><import><a words file.txt>"],
    ]);
  });
});
