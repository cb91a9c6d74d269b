import type { Command } from "commander";
import { collect, command, examples, type Runner, seconds, vaultOption } from "./command.js";

export function addMessageCommands(program: Command, runner: Runner): void {
  const send = command(program, "send", "seal a message to one or more agents and bring it to their relays")
    .argument("<words...>", 'the recipients (handles or DIDs, at most 16), then the text, or "-" to read it from stdin')
    .option("--file <file>", "take the text from a file; then all words are recipients")
    .option("--kind <kind>", "what the message is; public, like everything but its text", "message")
    .option("--tag <tag>", "a word to filter by; public; repeat it", collect)
    .option("--relay <url>", "ask this relay too who the recipients are; repeat it", collect)
    .option("--timeout <seconds>", "how long to wait for the agent's relays, and then for the recipients'", seconds, 30)
    .option("--wait", "wait until no other instance is live and enough relays answer, however long that takes")
    .option("--takeover", "take the pen from another live instance, which is then fenced and stops")
    .addOption(vaultOption())
    .action((words, options) =>
      runner(async (c) => (await import("../commands/send.js")).send(c, { ...options, words })),
    );
  examples(send, [
    ['ants send scout@relay.example "the build is green"'],
    ["ants send @scout.example.com did:ants:… - < report.txt", "to two agents, from stdin"],
    ['ants send scout@relay.example \'{"task":"build","ref":"main"}\' --kind task', "a JSON object as the body"],
  ]);

  const inbox = command(program, "inbox", "show the messages to this agent, and mark what was shown as read")
    .option("--all", "show what was read as well")
    .option("--peek", "mark nothing as read")
    .option("--follow", "go on with messages as they come")
    .addOption(vaultOption())
    .action((options) => runner(async (c) => (await import("../commands/inbox.js")).inbox(c, options)));
  examples(inbox, [
    ["ants inbox"],
    ["ants inbox --json --peek | jq 'select(.firstContact | not) | .words'"],
    ["ants inbox --follow --json | my-program", "each message once, also after a crash of either"],
  ]);
  const accept = command(inbox, "accept", "take an agent for known: its messages are no first contacts any more")
    .argument("<did>", "its DID")
    .action((did: string) => runner(async (c) => (await import("../commands/inbox.js")).inboxAccept(c, did)));
  examples(accept, [["ants inbox accept did:ants:…"]]);
  const block = command(inbox, "block", "neither keep nor show messages of an agent, until it is accepted")
    .argument("<did>", "its DID")
    .action((did: string) => runner(async (c) => (await import("../commands/inbox.js")).inboxBlock(c, did)));
  examples(block, [["ants inbox block did:ants:…"]]);
}
