import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** Archives of a home, where they are kept, and who can open them. */
export const BACKUP_ERRORS = {
  "age-key": fatal(
    "A recipient or a secret key is none of age's X25519 keys.",
    "A recipient begins with age1 and has 62 characters; ants backup recipient prints this agent's.",
    EXIT.usage,
  ),
  "backup-changing": passing(
    "A file of the home changed each time that it was read: no archive was made.",
    "Stop what writes it and try again, or move it out of the home.",
  ),
  "backup-config": fatal(
    "The home's .ants/backup.toml cannot be used.",
    "Correct the field that the message names; docs/backups.md has a sample.",
    EXIT.usage,
  ),
  "backup-damaged": fatal(
    "An archive is not what its maker wrote: it was cut, altered, or signed by a key that may not sign for its agent.",
    "Take another one: ants backup list. Then find out what happened to this one's storage.",
  ),
  "backup-exists": fatal(
    "The target has an archive of this name; none is ever overwritten.",
    "Make another one: ants backup create draws a new name.",
    EXIT.refusedForSafety,
  ),
  "backup-keeps-nothing": fatal(
    "These rules of retention would remove every archive.",
    "Keep at least one: --keep-daily 1; to remove a single archive, remove its file at the target.",
    EXIT.refusedForSafety,
  ),
  "backup-missing": fatal("The target has no such archive.", "List what there is: ants backup list."),
  "backup-no-key": fatal(
    "None of the keys that were given opens the archive.",
    "The recovery words open every backup: --phrase-file FILE.",
    EXIT.wrongPassphrase,
  ),
  "backup-no-recipient": fatal(
    "The vault does not know to whom backups are encrypted: it is from before there were backups.",
    "Tell it once: ants backup recipient --phrase-file FILE.",
    EXIT.refusedForSafety,
  ),
  "backup-no-target": fatal(
    "Nobody said where backups go.",
    "Name a place with --target, or in the home's .ants/backup.toml (docs/backups.md).",
    EXIT.usage,
  ),
  "backup-target": passing(
    "A place where backups are kept did not do what was asked: its answer is in the message.",
    "Look at it with its own tools (ls, ssh, the storage's console), then run the same command again.",
  ),
  "backup-target-denied": fatal(
    "A place where backups are kept refused this agent's credentials.",
    "Check the secret backup.s3 (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or the ssh key.",
  ),
  "backup-target-full": fatal(
    "A place where backups are kept has no room left; what it had is unchanged.",
    "Make room there, or keep fewer: ants backup prune --dry-run.",
  ),
  "backup-target-missing": passing(
    "The folder of a target of backups is not there: its disk is not mounted, or its address is mistyped.",
    "Mount its disk or correct the address. The first ants backup create makes a folder.",
  ),
  "backup-target-other": passing(
    "A folder where backups were stored has none of them: most often its disk is not mounted, and this is the one below.",
    "Mount it. If the archives are gone for good, ants backup prune forgets them, and the next one is stored.",
  ),
  "backup-target-unreachable": passing(
    "A place where backups are kept does not answer.",
    "Check the network and the address; the next run tries again.",
    EXIT.unreachable,
  ),
  "backup-target-url": fatal(
    "The address of a target cannot be used.",
    "A folder, file:///folder, ssh://user@host/folder or s3://bucket/prefix?endpoint=https://…&region=….",
    EXIT.usage,
  ),
  "backup-too-large": fatal(
    "The home has so many files that no reader would take the list of them: no archive was made.",
    "Move what needs no backup out of the home, or pack many small files into one.",
  ),
  "backup-version": fatal(
    "The archive is of a newer version than this program reads.",
    "Update ants; age and tar open it as well.",
  ),
} as const satisfies Record<string, ErrorRow>;
