import { type Command, Option } from "commander";
import { collect, command, examples, type Runner, seconds, vaultOption, wholeNumber } from "./command.js";

export function addEventCommands(program: Command, runner: Runner): void {
  const publish = command(program, "publish", "sign an event and publish it to the agent's relays")
    .argument("[body]", 'text, or a JSON object; "-" reads stdin')
    .option("--file <file>", "take the body from a file")
    .option("--lines", "every line of the input is an event of its own")
    .option("--kind <kind>", "what the event is", "note")
    .option("--to <did>", "only this agent and the author may read it; repeat it", collect)
    .option("--tag <tag>", "a word to filter by; repeat it", collect)
    .option("--private", "encrypt the body: only this agent itself can read it")
    .addOption(
      new Option("--durability <level>", "how many relays must have it on disk before this returns")
        .choices(["one", "quorum", "all"])
        .default("quorum"),
    )
    .option("--timeout <seconds>", "how long to wait for that", seconds, 30)
    .option("--wait", "wait until no other instance is live and enough relays answer, however long that takes")
    .option("--queue", "without a quorum: keep it on this disk, for the next turn that has one (exit code 3)")
    .option("--takeover", "take the pen from another live instance, which is then fenced and stops")
    .addOption(vaultOption())
    .action((body, options) =>
      runner(async (c) => (await import("../commands/publish.js")).publish(c, { ...options, body })),
    );
  examples(publish, [
    ['ants publish "the build is green" --tag build'],
    ['ants publish \'{"step":3,"state":"done"}\' --kind progress --private'],
    ["make test 2>&1 | ants publish - --kind log --durability all"],
    ["ants publish --lines --file notes.txt", "one event a line"],
    ['ants publish --queue "written on a train"', "without a quorum it waits, and nothing is signed"],
  ]);

  const follow = command(program, "follow", "read events from several relays as one verified stream")
    .argument("[agents...]", "DIDs or handles: read these agents at their own relays, wherever they move")
    .option("--relay <url>", "where to read; repeat it (default: the relays of this home's agent)", collect)
    .option("--after <where>", '"start", "head", or a cursor (one relay only); --state goes first')
    .option("--state <file>", "remember what was read there, and go on from it next time")
    .option("--did <did>", "only this author; repeat it", collect)
    .option("--kind <kind>", "only this kind; repeat it", collect)
    .option("--tag <tag>", "only this tag; repeat it", collect)
    .option("--until-caught-up", "stop when everything that is there has been read")
    .option("--as-agent", "open the vault and authenticate, to be given events addressed to this agent")
    .option("--allow-private", "agents' relays may be inside of this machine's own network (ANTS_ALLOW_PRIVATE)")
    .addOption(vaultOption())
    .action((agents, options) =>
      runner(async (c) => (await import("../commands/follow.js")).follow(c, { ...options, agents })),
    );
  examples(follow, [
    ["ants follow --relay wss://a.example --relay wss://b.example --kind note"],
    ["ants follow scout@relay.example --state scout.json", "this agent, wherever it is"],
    ["ants follow --state reader.json --json | my-program", "each line once, also after a crash"],
    ["ants follow --after start --until-caught-up --json > all.ndjson"],
  ]);

  const log = command(program, "log", "this agent's own chain, as it lies in the home");
  examples(log, [["ants log cat"], ["ants log verify"]]);
  const cat = command(log, "cat", "print the chain, oldest event first")
    .option("--kind <kind>", "only this kind; repeat it", collect)
    .option("--since-seq <n>", "from this seq on", wholeNumber, 0)
    .option("--open", "open the vault and show what this agent's private bodies say")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/log.js")).logCat(c, options)));
  examples(cat, [["ants log cat --kind note"], ["ants log cat --json | jq .body"], ["ants log cat --open"]]);
  const side = command(log, "side", "print what is on this disk beside the chain, and is not published")
    .option("--kind <kind>", "only this kind; repeat it", collect)
    .option("--open", "open the vault and show what this agent's private bodies say")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/log.js")).logSide(c, options)));
  examples(side, [["ants log side"], ["ants log side --json | jq .body", "to publish it anew"]]);
  const verify = command(log, "verify", "check every signature and every link of the chain").action(() =>
    runner(async (c) => (await import("../commands/log.js")).logVerify(c)),
  );
  examples(verify, [["ants log verify"]]);
}
