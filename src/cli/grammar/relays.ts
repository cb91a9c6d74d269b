import { type Command, Option } from "commander";
import { collect, command, examples, type Runner, seconds, vaultOption, wholeNumber } from "./command.js";

/** Where an agent is: its relays and its handles. */
export function addRelaysCommands(program: Command, runner: Runner): void {
  const relays = command(program, "relays", "the relays that this agent's identity names");
  examples(relays, [["ants relays list"], ["ants relays status"], ["ants relays add wss://d.example"]]);

  const list = command(relays, "list", "show them, as this home knows its identity").action(() =>
    runner(async (c) => (await import("../commands/relays.js")).relaysList(c)),
  );
  examples(list, [["ants relays list"], ["ants relays list --json | jq -r '.relays[].url'"]]);

  const status = command(relays, "status", "read the chain back from each of them, as a stranger would, and compare")
    .option("--timeout <seconds>", "how long each may take", seconds, 10)
    .option("--deep", "compare the whole chain; the last 2,048 events unless given")
    .action((options) => runner(async (c) => (await import("../commands/relays.js")).relaysStatus(c, options)));
  examples(status, [
    ["ants relays status", "exit code 3 where one does not serve everything"],
    ["ants relays status --deep --json"],
  ]);

  const add = changing(command(relays, "add", "name more relays; a relay that was rebuilt is named as what it is now"))
    .argument("<url...>", "their addresses")
    .option("--faults <n>", "how many of the relays may lie; needs at least 3n+1 relays", wholeNumber)
    .action((url, options) =>
      runner(async (c) => (await import("../commands/relays.js")).relaysAdd(c, { ...options, url })),
    );
  examples(add, [
    ["ants relays add wss://d.example"],
    ["ants relays add wss://d.example wss://e.example --timeout 600"],
  ]);

  const remove = changing(command(relays, "remove", "stop using relays; they keep what they have"))
    .argument("<url...>", "their addresses")
    .option("--faults <n>", "how many of the relays may lie; needs at least 3n+1 relays", wholeNumber)
    .action((url, options) =>
      runner(async (c) => (await import("../commands/relays.js")).relaysRemove(c, { ...options, url })),
    );
  examples(remove, [["ants relays remove wss://a.example"]]);

  const settle = changing(
    command(relays, "settle", "end a contest of updates in favour of the one that this home knows as its own"),
  ).action((options) => runner(async (c) => (await import("../commands/relays.js")).relaysSettle(c, options)));
  examples(settle, [["ants relays settle"]]);

  const move = changing(command(program, "move", "replace relays by others, in one update"))
    .addOption(new Option("--from <url>", "a relay to leave; repeat it").argParser(collect).makeOptionMandatory())
    .addOption(new Option("--to <url>", "the one in its place; repeat it").argParser(collect).makeOptionMandatory())
    .action((options) => runner(async (c) => (await import("../commands/relays.js")).move(c, options)));
  examples(move, [["ants move --from wss://a.example --to wss://d.example"]]);

  const handle = command(program, "handle", "names that lead to this agent");
  examples(handle, [["ants handle add scout@relay.example"], ["ants handle verify"]]);
  const handles = command(handle, "list", "show the handles that the identity names").action(() =>
    runner(async (c) => (await import("../commands/handle.js")).handleList(c)),
  );
  examples(handles, [["ants handle list"]]);
  const addHandle = changing(command(handle, "add", "name handles; name@relay is registered with that relay"))
    .argument("<handle...>", "name@host, or a domain")
    .action((names, options) =>
      runner(async (c) => (await import("../commands/handle.js")).handleAdd(c, { ...options, handle: names })),
    );
  examples(addHandle, [["ants handle add scout@relay.example"], ["ants handle add scout.example.com"]]);
  const removeHandle = changing(command(handle, "remove", "drop handles"))
    .argument("<handle...>", "as ants handle list shows them")
    .action((names, options) =>
      runner(async (c) => (await import("../commands/handle.js")).handleRemove(c, { ...options, handle: names })),
    );
  examples(removeHandle, [["ants handle remove scout@relay.example"]]);
  const verify = command(handle, "verify", "check that each handle leads here, in both directions").action(() =>
    runner(async (c) => (await import("../commands/handle.js")).handleVerify(c)),
  );
  examples(verify, [["ants handle verify", "exit code 3 where one does not"]]);
}

/** What every command takes that changes the identity. */
function changing(target: Command): Command {
  return target
    .option("--timeout <seconds>", "how long to wait for the pen, for relays, and for the chain's copy", seconds, 30)
    .option("--no-wait", "don't wait until new relays have the whole chain")
    .option("--takeover", "take the pen from another live instance, which is then fenced and stops")
    .addOption(vaultOption());
}
