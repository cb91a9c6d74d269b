import type { Command } from "commander";
import { command, examples, type Runner, vaultOption } from "./command.js";

export function addVaultCommands(program: Command, runner: Runner): void {
  const vault = command(program, "vault", "the encrypted file that holds the agent's keys").action(() => {
    vault.help({ error: true });
  });
  examples(vault, [["ants vault verify"], ["ants vault passwd"]]);
  const passwd = command(vault, "passwd", "change the passphrase (with the old one, or with the 24 words)")
    .addOption(vaultOption())
    .option("--phrase-file <file>", "open with the recovery words in this file instead of the old passphrase")
    .option("--new-passphrase-file <file>", "take the new passphrase from this file")
    .action((options) => runner(async (c) => (await import("../commands/vault.js")).vaultPasswd(c, options)));
  examples(passwd, [
    ["ants vault passwd"],
    ["ants vault passwd --phrase-file words.txt", "the passphrase is lost, the words are not"],
  ]);
  const verify = command(vault, "verify", "open the vault and check that its keys belong to this home's identity")
    .addOption(vaultOption())
    .option("--phrase-file <file>", "open with the recovery words in this file")
    .action((options) => runner(async (c) => (await import("../commands/vault.js")).vaultVerify(c, options)));
  examples(verify, [
    ["ants vault verify"],
    ["ants vault verify --phrase-file words.txt", "do the words still open it?"],
  ]);
}
