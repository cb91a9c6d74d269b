import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { type PassphraseRequest, readPassphrase, strengthAdvice } from "../../src/cli/passphrase.js";
import { parseCommand } from "../../src/cli/passphrase-command.js";
import type { Terminal } from "../../src/cli/tty.js";
import { works } from "../keys/node/run.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Pty } from "./pty.js";

const SECRET = "plum orbit velvet canyon";
const PROGRAM = fileURLToPath(new URL("./programs/read-passphrase.mjs", import.meta.url));
const NO_SCRIPT = "script (util-linux) is not installed: there is no pseudo-terminal";
const ALL_CLEAR = {
  CREDENTIALS_DIRECTORY: undefined,
  ANTS_PASSPHRASE_COMMAND: undefined,
  ANTS_PASSPHRASE_FILE: undefined,
  ANTS_PASSPHRASE: undefined,
};
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

let folder: string;
let warnings: string[];

beforeEach(() => {
  folder = temporaryFolder();
  warnings = [];
});

/** A person who gives these answers, and then interrupts. */
function person(...answers: string[]): Terminal & { asked: string[]; said: string[]; closed: boolean } {
  const terminal = {
    asked: [] as string[],
    said: [] as string[],
    closed: false,
    say: (text: string) => void terminal.said.push(text),
    async readSecret(prompt: string) {
      terminal.asked.push(prompt);
      const answer = answers.shift();
      if (answer === undefined) throw new AntsError("interrupted", "nothing more was typed");
      return utf8(answer);
    },
    close: () => {
      terminal.closed = true;
    },
  };
  return terminal;
}

/** Reads with this environment and nobody to ask, unless told otherwise. */
async function read(env: Record<string, string>, more: Partial<PassphraseRequest> = {}) {
  const { source, passphrase } = await readPassphrase({
    purpose: "unlock",
    subject: "did:ants:test",
    env: { PATH: process.env.PATH, ...env },
    warn: (text) => warnings.push(text),
    terminal: () => undefined,
    ...more,
  });
  return { source, passphrase: fromUtf8(passphrase) };
}

function secretFile(name: string, text = `${SECRET}\n`, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** An environment in which every source is set up with a passphrase of its own. */
function everything(): Record<string, string> {
  mkdirSync(join(folder, "credentials"));
  return {
    CREDENTIALS_DIRECTORY: join(folder, "credentials"),
    ANTS_PASSPHRASE_COMMAND: "echo from-command",
    ANTS_PASSPHRASE_FILE: secretFile("file", "from-file"),
    ANTS_PASSPHRASE: "from-variable",
  };
}

describe("the order of sources (I4)", () => {
  it("is credential, command, file, terminal, variable", async () => {
    const env = everything();
    const terminal = () => person("from-terminal");
    secretFile("credentials/ants-passphrase", "from-credential");
    expect(await read(env, { terminal })).toEqual({ source: "systemd-credential", passphrase: "from-credential" });
    const { CREDENTIALS_DIRECTORY: _1, ...withoutCredential } = env;
    expect(await read(withoutCredential, { terminal })).toEqual({ source: "command", passphrase: "from-command" });
    const { ANTS_PASSPHRASE_COMMAND: _2, ...withoutCommand } = withoutCredential;
    expect(await read(withoutCommand, { terminal })).toEqual({ source: "file", passphrase: "from-file" });
    const { ANTS_PASSPHRASE_FILE: _3, ...withoutFile } = withoutCommand;
    expect(await read(withoutFile, { terminal })).toEqual({ source: "terminal", passphrase: "from-terminal" });
    expect(warnings).toEqual([]);
    expect(await read(withoutFile)).toEqual({ source: "variable", passphrase: "from-variable" });
  });

  it("goes on past a credential folder that is for other credentials", async () => {
    expect((await read(everything())).source).toBe("command");
  });

  it("does not go on when a source that is set up fails", async () => {
    const env = everything();
    const others = { ANTS_PASSPHRASE_FILE: env.ANTS_PASSPHRASE_FILE!, ANTS_PASSPHRASE: "x" };
    await expect(read({ ...others, ANTS_PASSPHRASE_COMMAND: "false" })).rejects.toMatchObject({
      code: "passphrase-command",
    });
    await expect(read({ ...others, ANTS_PASSPHRASE_FILE: join(folder, "absent") })).rejects.toMatchObject({
      code: "passphrase-file",
    });
    mkdirSync(join(folder, "credentials/ants-passphrase"));
    await expect(read(env)).rejects.toMatchObject({ code: "passphrase-file" });
  });

  it("takes an empty variable for one that is not set", async () => {
    const empty = {
      CREDENTIALS_DIRECTORY: "",
      ANTS_PASSPHRASE_COMMAND: " ",
      ANTS_PASSPHRASE_FILE: "",
      ANTS_PASSPHRASE: "",
    };
    await expect(read(empty)).rejects.toMatchObject({ code: "passphrase-missing" });
  });

  it("ends, with nobody to ask, in an error that names the options", async () => {
    const refused = await read({}).catch((error: AntsError) => error);
    expect(refused).toMatchObject({ code: "passphrase-missing", message: expect.stringContaining("did:ants:test") });
    for (const option of ["ANTS_PASSPHRASE_COMMAND", "ANTS_PASSPHRASE_FILE", "LoadCredentialEncrypted", "terminal"]) {
      expect((refused as AntsError).hint).toContain(option);
    }
  });

  it("warns of the variable, without its value", async () => {
    await read({ ANTS_PASSPHRASE: SECRET });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/variable ANTS_PASSPHRASE.*prefer ANTS_PASSPHRASE_FILE/);
    expect(warnings[0]).not.toContain(SECRET);
  });
});

describe("a passphrase file", () => {
  it.each([
    [`${SECRET}\n`, SECRET],
    [`${SECRET}\r\n`, SECRET],
    [SECRET, SECRET],
    [` ${SECRET} \n`, ` ${SECRET} `],
    ["naïve 鍵\n", "naïve 鍵"],
  ])("%j holds %j: one newline at its end is not part of it", async (text, passphrase) => {
    expect(await read({ ANTS_PASSPHRASE_FILE: secretFile("f", text) })).toEqual({ source: "file", passphrase });
  });

  it.each([
    ["", "passphrase-empty"],
    ["\n", "passphrase-empty"],
    ["one\ntwo\n", "passphrase-format"],
    ["one\n\n", "passphrase-format"],
    ["one\u0000two", "passphrase-format"],
    ["x".repeat(4_097), "passphrase-too-long"],
    ["x".repeat(100_000), "passphrase-file"],
  ])("%#: is refused with %s", async (text, code) => {
    await expect(read({ ANTS_PASSPHRASE_FILE: secretFile("f", text) })).rejects.toMatchObject({ code });
  });

  it.each([0o644, 0o640, 0o604, 0o660, 0o602])("with mode %o is refused", async (mode) => {
    const path = secretFile("f", SECRET, mode);
    const refused = read({ ANTS_PASSPHRASE_FILE: path });
    await expect(refused).rejects.toMatchObject({ code: "passphrase-file-mode", hint: `chmod 600 ${path}` });
  });

  it("is judged behind links, as mounted secrets are", async () => {
    symlinkSync(secretFile("f"), join(folder, "good"));
    symlinkSync(secretFile("g", SECRET, 0o644), join(folder, "bad"));
    expect((await read({ ANTS_PASSPHRASE_FILE: join(folder, "good") })).passphrase).toBe(SECRET);
    await expect(read({ ANTS_PASSPHRASE_FILE: join(folder, "bad") })).rejects.toMatchObject({
      code: "passphrase-file-mode",
    });
  });

  it("of another user is refused", async (context) => {
    context.skip(process.geteuid?.() !== 0, "only root can give files away");
    const path = secretFile("f");
    chownSync(path, 65_534, 65_534);
    await expect(read({ ANTS_PASSPHRASE_FILE: path })).rejects.toMatchObject({ code: "passphrase-file-mode" });
  });

  it("is not a pipe that never ends, nor a folder", async () => {
    spawnSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
    for (const path of [join(folder, "pipe"), folder, "/dev/zero"]) {
      await expect(read({ ANTS_PASSPHRASE_FILE: path })).rejects.toMatchObject({ code: "passphrase-file" });
    }
  });
});

describe("a systemd credential", () => {
  it("may have the modes that its access list looks like", async () => {
    mkdirSync(join(folder, "credentials"));
    secretFile("credentials/ants-passphrase", SECRET, 0o440);
    expect(await read({ CREDENTIALS_DIRECTORY: join(folder, "credentials") })).toEqual({
      source: "systemd-credential",
      passphrase: SECRET,
    });
  });
});

describe("a passphrase command (I5)", () => {
  it.each([
    ["echo one", ["echo", "one"]],
    ["  pass   show\tagents/ants ", ["pass", "show", "agents/ants"]],
    ['["printf","a b"]', ["printf", "a b"]],
    [' [ "secret-tool", "lookup", "x", "$y" ] ', ["secret-tool", "lookup", "x", "$y"]],
  ])("%j has the words %j", (text, words) => {
    expect(parseCommand(text)).toEqual(words);
  });

  it.each(["echo 'a b'", 'echo "a"', "cat a | head", "echo $HOME", "a; b", "a > b", "ls *", "[", "[]", "[1]", '[""]'])(
    "%j is refused: no shell will read it",
    (text) => {
      expect(() => parseCommand(text)).toThrow(AntsError);
    },
  );

  it("gets its words as they are, without a shell, and the environment without the variable", async () => {
    const script = join(folder, "manager");
    writeFileSync(script, `#!/bin/sh\nprintf '%s|%s|%s' "$1" "$#" "$ANTS_PASSPHRASE$KEPT"\n`, { mode: 0o700 });
    const command = JSON.stringify([script, "$(id); *", "two"]);
    expect(await read({ ANTS_PASSPHRASE_COMMAND: command, ANTS_PASSPHRASE: "x", KEPT: "kept" })).toEqual({
      source: "command",
      passphrase: "$(id); *|2|kept",
    });
  });

  it.each([
    ["that fails", '["sh","-c","echo leaked; exit 3"]', /failed with exit code 3/],
    ["that is killed", '["sh","-c","echo leaked; kill -9 $$"]', /ended by SIGKILL/],
    ["that is not there", "/absent/manager", /could not be started/],
    ["that prints without end", '["sh","-c","while :; do echo leaked; done"]', /printed more than/],
  ])("%s is an error that does not show what it printed", async (_, command, message) => {
    const refused = await read({ ANTS_PASSPHRASE_COMMAND: command }).catch((error: AntsError) => error);
    expect(refused).toMatchObject({ code: "passphrase-command", message: expect.stringMatching(message) });
    const { hint, details } = refused as AntsError;
    expect(JSON.stringify([String(refused), hint, details])).not.toContain("leaked");
  });

  it("that does not answer is given up, also when a child of it keeps the pipe open", async () => {
    const command = '["sh","-c","exec 2>&-; sleep 8 & sleep 8"]';
    const startedMs = performance.now();
    await expect(read({ ANTS_PASSPHRASE_COMMAND: command }, { commandTimeoutMs: 200 })).rejects.toMatchObject({
      code: "passphrase-command",
      message: expect.stringContaining("did not answer within 0.2 s"),
    });
    expect(performance.now() - startedMs).toBeLessThan(7_000);
  });

  it("ends with the program's own interruption", async () => {
    const controller = new AbortController();
    const reason = new AntsError("interrupted", "stopped by SIGINT");
    const reading = read({ ANTS_PASSPHRASE_COMMAND: "sleep 60" }, { signal: controller.signal });
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });

  it.each(["", "\n"])("that prints %j has given none", async (text) => {
    const command = JSON.stringify(["printf", text === "" ? "%s" : "\\n"]);
    await expect(read({ ANTS_PASSPHRASE_COMMAND: command })).rejects.toMatchObject({ code: "passphrase-empty" });
  });
});

describe("a new passphrase", () => {
  it("is asked for twice, until both are the same", async () => {
    const terminal = person("", "one passphrase", "another", "one good passphrase", "one good passphrase");
    const found = await read({}, { purpose: "create", terminal: () => terminal });
    expect(found).toEqual({ source: "terminal", passphrase: "one good passphrase" });
    expect(terminal.asked).toHaveLength(5);
    expect(terminal.said).toEqual([expect.stringContaining("empty"), expect.stringContaining("not the same")]);
    expect(terminal.closed).toBe(true);
    expect(warnings).toEqual([]);
  });

  it("is given up after three attempts, or when the person leaves", async () => {
    const undecided = person("a", "b", "c", "d", "", "e", "f");
    await expect(read({}, { purpose: "create", terminal: () => undecided })).rejects.toMatchObject({
      code: "passphrase-mismatch",
    });
    expect(undecided.closed).toBe(true);
    const leaving = person("a");
    await expect(read({}, { purpose: "create", terminal: () => leaving })).rejects.toMatchObject({
      code: "interrupted",
    });
    expect(leaving.closed).toBe(true);
  });

  it("may come from where it will be read later", async () => {
    const env = { ANTS_PASSPHRASE_FILE: secretFile("f") };
    expect(await read(env, { purpose: "create" })).toEqual({ source: "file", passphrase: SECRET });
  });

  it("to change to comes from its own file or a person, never from where the old one comes from", async () => {
    const env = everything();
    await expect(read(env, { purpose: "change" })).rejects.toMatchObject({
      code: "passphrase-missing",
      hint: expect.stringContaining("--new-passphrase-file"),
    });
    const terminal = () => person("new and long enough", "new and long enough");
    expect(await read(env, { purpose: "change", terminal })).toMatchObject({ passphrase: "new and long enough" });
    const file = secretFile("new");
    expect(await read(env, { purpose: "change", file, terminal })).toEqual({ source: "file", passphrase: SECRET });
  });

  it.each(["short", "aaaaaaaaaaaaaaaa", "1234567890123456", "abababababababab"])(
    "%j is advised against",
    async (text) => {
      const found = await read({ ANTS_PASSPHRASE_FILE: secretFile("f", text) }, { purpose: "create" });
      expect(found.passphrase).toBe(text);
      expect(warnings).toEqual([expect.stringContaining("easy to guess")]);
      expect(warnings[0]).not.toContain(text);
    },
  );

  it("of some length and variety is not", () => {
    for (const text of [SECRET, "Tr0ub4dor&3-x", "鍵は犬の小屋の裏の石の下"])
      expect(strengthAdvice(utf8(text))).toBeUndefined();
  });
});

describe("a process", () => {
  /** Without a terminal (a session of its own has none), with an empty stdin. */
  async function unattended(env: Record<string, string>, ...args: string[]) {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: { ...process.env, ...ALL_CLEAR, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const parts = { stdout: "", stderr: "" };
    child.stdout.on("data", (text) => (parts.stdout += text));
    child.stderr.on("data", (text) => (parts.stderr += text));
    await once(child, "close");
    return { ...parts, said: JSON.parse(parts.stdout) as Record<string, string> };
  }

  it.each<[string, () => Record<string, string>]>([
    ["systemd-credential", () => ({ CREDENTIALS_DIRECTORY: secretFile("ants-passphrase").replace(/\/[^/]*$/, "") })],
    ["command", () => ({ ANTS_PASSPHRASE_COMMAND: `cat ${secretFile("f")}` })],
    ["file", () => ({ ANTS_PASSPHRASE_FILE: secretFile("f") })],
    ["variable", () => ({ ANTS_PASSPHRASE: SECRET })],
  ])("without a terminal reads it from the %s, and shows it nowhere", async (source, env) => {
    const { said, stdout, stderr } = await unattended(env(), "unlock");
    expect(said).toEqual({ source, sha256: sha256(SECRET) });
    expect(stdout + stderr).not.toContain(SECRET);
    expect(stderr.includes("warning:")).toBe(source === "variable");
  });

  it("without a terminal asks nobody", async () => {
    for (const purpose of ["unlock", "create", "change"]) {
      const { said, stderr } = await unattended({}, purpose);
      expect(said).toMatchObject({ code: "passphrase-missing" });
      expect(stderr).toBe("");
    }
  });

  it.for([
    [
      "age",
      ["age-keygen -o $1/key", "printf %s $2 | age -e -i $1/key -o $1/sealed"],
      (at: string) => `age -d -i ${at}/key ${at}/sealed`,
    ],
    [
      "openssl",
      [
        // In hex: openssl takes a password file for text, and refuses one whose first byte is 0.
        "openssl rand -hex -out $1/key 32",
        "printf %s $2 | openssl enc -aes-256-cbc -pbkdf2 -pass file:$1/key -out $1/sealed",
      ],
      (at: string) => `openssl enc -d -aes-256-cbc -pbkdf2 -pass file:${at}/key -in ${at}/sealed`,
    ],
  ] as const)(
    "passes on what %s decrypts, and itself writes it nowhere",
    async ([manager, setup, command], context) => {
      context.skip(!works("sh", "-c", `command -v ${manager} strace`), `${manager} or strace is not installed`);
      for (const line of setup)
        expect(spawnSync("sh", ["-c", line.replace("$2", `'${SECRET}'`), "sh", folder]).status).toBe(0);
      const log = join(folder, "trace");
      const run = spawnSync(
        "strace",
        ["-f", "-qq", "-s", "4096", "-e", "trace=%desc,%network", "-o", log, process.execPath, PROGRAM, "unlock"],
        {
          env: { ...process.env, ...ALL_CLEAR, ANTS_PASSPHRASE_COMMAND: command(folder) },
          encoding: "utf8",
        },
      );
      expect(JSON.parse(run.stdout)).toEqual({ source: "command", sha256: sha256(SECRET) });
      const calls = readFileSync(log, "utf8").split("\n");
      const writes = calls.filter((line) => /^\d+ +(p?write|send)/.test(line) && line.includes(SECRET));
      // The manager's own write into our pipe, and no other.
      expect(writes).toEqual([expect.stringMatching(/write\(1, /)]);
      expect(calls.some((line) => /read|recv/.test(line) && line.includes(SECRET))).toBe(true);
    },
  );

  /** At a pseudo-terminal, with stdin and stdout elsewhere; the program itself shows the terminal's settings after it. */
  function attended(purpose: string): Pty {
    const command = `'${process.execPath}' '${PROGRAM}' ${purpose} < /dev/null | cat`;
    return new Pty(command, { ...process.env, ...ALL_CLEAR, SHOW_TERMINAL: "1" });
  }

  function expectTerminalRestored(pty: Pty): void {
    for (const setting of ["icanon", "isig", "echo", "icrnl"]) {
      expect(pty.shown.split(/\s+/)).toContain(setting);
    }
  }

  it("at a terminal asks there, although stdin and stdout are not it, and does not show what is typed", async (context) => {
    context.skip(!works("script", "--version"), NO_SCRIPT);
    const pty = attended("unlock");
    await pty.waitFor("Passphrase for did:ants:test: ");
    pty.type("plum orbitt\u007f velvet canyon\r");
    expect(await pty.end()).toBe(0);
    expect(pty.shown).toContain(JSON.stringify({ source: "terminal", sha256: sha256(SECRET) }));
    expect(pty.shown).not.toMatch(/plum|velvet/);
    expectTerminalRestored(pty);
  });

  it("at a terminal asks twice for a new one, also when both answers come at once", async (context) => {
    context.skip(!works("script", "--version"), NO_SCRIPT);
    const pty = attended("create");
    await pty.waitFor("New passphrase for did:ants:test: ");
    pty.type(`${SECRET}\rsomething else\r`);
    await pty.waitFor("not the same");
    await pty.waitFor("New passphrase for did:ants:test: ", 2);
    pty.type(`${SECRET}\r${SECRET}\r`);
    expect(await pty.end()).toBe(0);
    expect(pty.shown).toContain(sha256(SECRET));
    expect(pty.shown).not.toMatch(/plum|something/);
    expectTerminalRestored(pty);
  });

  it("at a terminal gives it back when Ctrl-C is typed", async (context) => {
    context.skip(!works("script", "--version"), NO_SCRIPT);
    const pty = attended("unlock");
    await pty.waitFor("Passphrase for did:ants:test: ");
    pty.type("half a pass\u0003");
    expect(await pty.end()).toBe(0);
    expect(pty.shown).toContain('"code":"interrupted"');
    expect(pty.shown).toContain("stopped at the question: Passphrase for did:ants:test");
    expect(pty.shown).not.toContain("half");
    expectTerminalRestored(pty);
  });

  it("at a terminal gives it back when it is ended there", async (context) => {
    context.skip(!works("script", "--version"), NO_SCRIPT);
    const command = `'${process.execPath}' '${PROGRAM}' unlock & echo "pid $!."; wait; stty -a`;
    const pty = new Pty(`sh -c '${command.replaceAll("'", `'\\''`)}'`, { ...process.env, ...ALL_CLEAR });
    await pty.waitFor("Passphrase for did:ants:test: ");
    process.kill(Number(/pid (\d+)\./.exec(pty.shown)![1]), "SIGTERM");
    expect(await pty.end()).toBe(0);
    expectTerminalRestored(pty);
  });
});
