import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** The vault, its passphrase and words, locks and disks. */
export const VAULT_ERRORS = {
  "disk-denied": fatal(
    "The operating system denies access to a file or its folder.",
    "Check owner and mode (ls -la), or choose another folder.",
  ),
  "disk-exists": fatal(
    "A file that was to be created exists already.",
    "Move it away or choose another name.",
    EXIT.refusedForSafety,
  ),
  "disk-failed": fatal(
    "The operating system failed to read or write; details.errno says how.",
    "Look at the system's log (dmesg) before trying again.",
  ),
  "disk-full": passing(
    "No space is left on the device, or the quota is used up; what was there before is unchanged.",
    "Free some space (df -h shows where) and try again.",
  ),
  "disk-read-only": fatal(
    "The file system is mounted read-only; what was there before is unchanged.",
    "Remount it writable or choose another folder.",
  ),
  "lock-unavailable": fatal(
    "The system offers no lock that ends with its process.",
    "Install util-linux (the command flock), and keep the folder on a file system with flock(2).",
    EXIT.refusedForSafety,
  ),
  locked: passing(
    "Another process of this host uses it; details say its pid, since when, and what it is.",
    "Wait until it is done, or stop it.",
    EXIT.lockedByAnother,
  ),
  "passphrase-command": fatal(
    "ANTS_PASSPHRASE_COMMAND could not be run, failed, or did not answer within 10 s.",
    "Run it by hand: it must print the passphrase and nothing else. It is no shell: write ['sh','-c','…'] as JSON for one.",
  ),
  "passphrase-empty": fatal("A passphrase is empty.", "Give one with at least a few words.", EXIT.usage),
  "passphrase-file": fatal(
    "The file with a passphrase or recovery words could not be read.",
    "Check its path; it holds the secret and nothing else, and has mode 0600.",
  ),
  "passphrase-file-mode": fatal(
    "Others can read the file with a passphrase or recovery words.",
    "Run chmod 600 on it, and consider what it held as known to them.",
    EXIT.refusedForSafety,
  ),
  "passphrase-format": fatal(
    "A passphrase has several lines or a zero byte.",
    "Keep nothing but the passphrase where it is read from.",
    EXIT.usage,
  ),
  "passphrase-mismatch": fatal(
    "A new passphrase was not entered twice alike.",
    "Try again, or write it into a 0600 file and name that.",
    EXIT.usage,
  ),
  "passphrase-missing": fatal(
    "A passphrase is needed, none is set up, and there is no terminal to ask on.",
    "Set ANTS_PASSPHRASE_COMMAND or ANTS_PASSPHRASE_FILE, give the service the systemd credential ants-passphrase, or use a terminal.",
    EXIT.usage,
  ),
  "passphrase-too-long": fatal(
    "A passphrase has more than 4,096 bytes.",
    "Use a key file for long secrets.",
    EXIT.usage,
  ),
  "passphrase-utf8": fatal("A passphrase is not UTF-8 text.", "Save it as UTF-8, or use a key file.", EXIT.usage),
  "phrase-file": fatal(
    "The recovery words cannot be written to the file that was named.",
    "Name a new file in a folder of your own.",
    EXIT.refusedForSafety,
  ),
  "phrase-nowhere": fatal(
    "A new identity has recovery words, and there is no terminal to show them on.",
    "Name a new file for them: --phrase-file FILE",
    EXIT.usage,
  ),
  "vault-closed": fatal(
    "The vault was closed; its secrets are gone from memory.",
    "Open it again; if this package closed it too early, report a bug.",
  ),
  "vault-content": fatal(
    "What a vault is to hold does not fit its format (key sizes, names and sizes of secrets).",
    "Correct what is put into it.",
  ),
  "vault-damaged": fatal(
    "The vault was changed since it was written, by a failing disk or by somebody without its key.",
    "Restore the vault from a copy.",
    EXIT.refusedForSafety,
  ),
  "vault-ephemeral": fatal(
    "A key, a home or backups would be kept where they do not survive: in memory, a container's own layer, or a folder that the system empties, such as /tmp and /var/tmp.",
    "Choose a folder on a disk (in a container: a volume), or set ANTS_ALLOW_EPHEMERAL=1 for what may be lost.",
    EXIT.refusedForSafety,
  ),
  "vault-exists": fatal(
    "There is something where the new vault would go, and it may hold the only key of an agent.",
    "Choose another path.",
    EXIT.refusedForSafety,
  ),
  "vault-format": fatal(
    "The file is not a vault.",
    "Check the path; if it was a vault, restore it from a copy or use the recovery phrase.",
  ),
  "vault-in-home": fatal(
    "The key would be kept within the agent's home, which is copied, backed up and read.",
    "Name a place outside with --vault, or another home with --home.",
    EXIT.refusedForSafety,
  ),
  "vault-kdf-bounds": fatal(
    "A vault asks for a passphrase derivation outside the accepted cost: too cheap to protect, or too dear to finish.",
    "A vault made by ants never does: restore the vault from a copy.",
    EXIT.refusedForSafety,
  ),
  "vault-kdf-memory": fatal(
    "The memory to derive the passphrase's key could not be had.",
    "Give the process more memory (256 MiB at the default cost).",
  ),
  "vault-key-file": fatal(
    "A key file has 32 to 4,096 random bytes; this one has not.",
    "Make one with: head -c 32 /dev/urandom > FILE; chmod 600 FILE",
    EXIT.usage,
  ),
  "vault-missing": fatal(
    "There is no vault at this path.",
    "An agent that exists: restore the vault from a copy, or bring it back with its 24 words: ants recover. A new agent: ants keygen.",
    EXIT.noVault,
  ),
  "vault-mode": fatal(
    "Others than its owner can get at the vault file.",
    "Run chmod 600 on it, and change the passphrase if others may have read it (ants vault passwd).",
    EXIT.refusedForSafety,
  ),
  "vault-no-slot": fatal(
    "The vault does not open with this kind of key; details.types lists its kinds.",
    "Open it with one of those.",
    EXIT.usage,
  ),
  "vault-not-file": fatal(
    "A folder, pipe, socket or device is where the vault should be.",
    "Check the path of the vault.",
    EXIT.refusedForSafety,
  ),
  "vault-other-agent": fatal(
    "The vault belongs to another agent than the home.",
    "Name this agent's vault with --vault, or its home with --home.",
    EXIT.refusedForSafety,
  ),
  "vault-owner": fatal(
    "The vault file belongs to another user.",
    "Run as its owner, or change the owner (chown).",
    EXIT.refusedForSafety,
  ),
  "vault-replaced": fatal(
    "The vault file was replaced by another vault while this one was open.",
    "Stop the processes that use it, and see which of the files is the right one.",
    EXIT.refusedForSafety,
  ),
  "vault-slots": fatal(
    "A vault has at least one way in, and at most one of each kind.",
    "Add another way in before removing the last.",
    EXIT.usage,
  ),
  "vault-symlink": fatal(
    "A symbolic link is where the vault should be; its target could be anybody's file.",
    "Give the path of the file itself.",
    EXIT.refusedForSafety,
  ),
  "vault-version": fatal("The vault was written by a newer version.", "Update this one.", EXIT.usage),
  "vault-wrong-key-file": fatal(
    "The key file does not open this vault.",
    "Use the one that was added to it.",
    EXIT.wrongPassphrase,
  ),
  "vault-wrong-passphrase": fatal(
    "The passphrase does not open this vault.",
    "Try again; the recovery words open it too: ants vault passwd --phrase-file WORDS",
    EXIT.wrongPassphrase,
  ),
  "vault-wrong-phrase": fatal(
    "The recovery phrase is well formed but belongs to another vault.",
    "Use the 24 words that were shown when this agent was made.",
    EXIT.wrongPassphrase,
  ),
} as const satisfies Record<string, ErrorRow>;
