import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { relayConfigFields } from "../../relay/config.js";
import { SCENARIOS } from "../../src/cli/drill/scenarios/index.js";
import { SCENARIO_TITLES } from "../../src/cli/drill/scenarios/titles.js";
import { buildProgram } from "../../src/cli/program.js";

const program = buildProgram(async () => {}, relayConfigFields());
const commands = [program, ...program.commands, ...program.commands.flatMap((command) => command.commands)];

describe("the command line's grammar", () => {
  test.each(commands.map((command) => [pathOf(command), command] as const))(
    "%s --help has an example that names it",
    (path, command) => {
      let text = "";
      command.configureOutput({
        writeOut: (part) => {
          text += part;
        },
      });
      command.outputHelp();
      expect(text).toMatch(/^Examples:$/m);
      expect(text.slice(text.indexOf("Examples:"))).toContain(path);
    },
  );

  test("every option and argument says what it is for, and every secret stays out of them", () => {
    for (const command of commands) {
      expect(command.description(), pathOf(command)).not.toBe("");
      for (const option of command.options) {
        expect(option.description, `${pathOf(command)} ${option.flags}`).not.toBe("");
        // Which secret, by its name; and what takes no value takes no secret.
        if (option.flags.startsWith("--secret <name") || option.isBoolean()) continue;
        expect(option.flags).not.toMatch(/(passphrase|phrase|secret|key|token)(?!-file)\b/);
      }
    }
  });

  test("ants drill --help names the scenarios, all of them and no other", () => {
    expect(SCENARIOS.map(({ name, title }) => [name, title]).sort()).toEqual(Object.entries(SCENARIO_TITLES).sort());
  });

  test("every setting of a relay is an option that leaves the defaults to the schema", () => {
    const relay = program.commands.find((command) => command.name() === "relay")!;
    for (const field of relayConfigFields()) {
      const option = relay.options.find((candidate) => candidate.long === field.flag);
      expect(option?.attributeName()).toBe(field.name);
      expect(option?.defaultValue).toBeUndefined();
    }
  });
});

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
