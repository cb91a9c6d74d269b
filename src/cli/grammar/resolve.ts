import type { Command } from "commander";
import { collect, command, examples, type Runner } from "./command.js";

export function addResolveCommands(program: Command, runner: Runner): void {
  const resolve = command(program, "resolve", "find out who a handle or a DID is, and at which relays")
    .argument("<name>", "name@host, name.example.com or did:ants:…")
    .option("--document", "print the DID document (W3C DID Core) and nothing else")
    .option("--relay <url>", "a relay to ask; repeat it (default: those of this home's agent)", collect)
    .option("--fresh", "ask again, whatever the cache says")
    .option("--allow-private", "let names lead into this machine's own network (ANTS_ALLOW_PRIVATE=1)")
    .option("--dns <server>", "ask this DNS server, as address or address:port; repeat it (ANTS_DNS)", collect)
    .action((name, options) =>
      runner(async (c) => (await import("../commands/resolve.js")).resolve(c, { ...options, name })),
    );
  examples(resolve, [
    ["ants resolve scout@relay.example"],
    ["ants resolve scout.example.com --json | jq -r '.status, .did, .relays[].url'"],
    ["ants resolve did:ants:… --relay wss://a.example --document", "as other DID software reads it"],
  ]);
  resolve.addHelpText(
    "after",
    `
Exit codes:
  0 verified   1 mismatch, not found or deactivated   3 stale: known from before, not confirmed now
  4 contested or conflicted   69 unreachable: nobody who could know answered`,
  );
}
