import type { Command } from "commander";
import type { ConfigField } from "../../../relay/config.js";
import { relayOption } from "../relay-option.js";
import { command, examples, type Runner } from "./command.js";

export function addRelayCommands(program: Command, runner: Runner, fields: readonly ConfigField[]): void {
  const relay = command(program, "relay", "run a relay: keep, order and serve signed events")
    .option("--config <file>", "TOML file with any of these; flags and environment go first")
    .action((options) => runner(async (c) => (await import("../commands/relay.js")).relay(c, options)));
  for (const field of fields) relay.addOption(relayOption(field));
  examples(relay, [
    ["ants relay --data /var/lib/ants-relay --public-url wss://relay.example"],
    ["ants relay --config /etc/ants-relay.toml"],
    ["ants relay --data ./r1 --port 0 --json", "any free port; prints {url, stream, position} when it is ready"],
  ]);
  const verify = command(relay, "verify", "check a relay's folder: log, tree, index and signed head")
    .argument("<dir>", "the data folder of a relay that is not running")
    .action((dir: string) => runner(async (c) => (await import("../commands/relay-verify.js")).relayVerify(c, dir)));
  examples(verify, [["ants relay verify /var/lib/ants-relay"]]);
}
