import type { Command } from "commander";
import { command, examples, type Runner, vaultOption } from "./command.js";

export function addVaultCommands(program: Command, runner: Runner): void {
  const vault = command(program, "vault", "the encrypted file that holds the agent's keys");
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
  const exported = command(vault, "export", "write a signed, encrypted copy of the vault for another place")
    .requiredOption("--out <file>", "the new file, outside the home")
    .addOption(vaultOption())
    .option("--phrase-file <file>", "open with the recovery words in this file instead of the passphrase")
    .option("--new-passphrase-file <file>", "take the passphrase of the copy from this file, else it is asked for")
    .option("--unchanged", "the copy opens with what opens the vault")
    .action((options) => runner(async (c) => (await import("../commands/vault-copy.js")).vaultExport(c, options)));
  examples(exported, [
    ["ants vault export --out /media/stick/scout.vault"],
    ["ants vault export --out scout.vault --unchanged", "no terminal"],
  ]);
  const imported = command(vault, "import", "take a copy of this agent's vault as this host's vault")
    .argument("<file>", "what ants vault export wrote")
    .addOption(vaultOption())
    .option("--phrase-file <file>", "open the copy with the recovery words in this file")
    .option("--passphrase-file <file>", "open the copy with the passphrase in this file (else the usual sources)")
    .option("--replace", "put an older vault of this agent aside; a newer one is never replaced")
    .option("--allow-ephemeral", "allow places that do not survive a restart (ANTS_ALLOW_EPHEMERAL=1)")
    .action((file, options) =>
      runner(async (c) => (await import("../commands/vault-copy.js")).vaultImport(c, file, options)),
    );
  examples(imported, [
    ["ants vault import /media/stick/scout.vault"],
    ["ants vault import scout.vault --phrase-file words.txt", "its passphrase is lost"],
  ]);
}
