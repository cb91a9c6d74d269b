/** What of `.ants` is of this host and this moment only, and why it is in no archive. */
const HOST_ONLY: Readonly<Record<string, string>> = {
  ".ants/lock": "the lock of the process at work here",
  ".ants/instances.ndjson": "runs on this host",
  ".ants/index": "derived from the chain",
  ".ants/backup-spool": "archives that are being made",
  ".ants/backup-rehearsal": "a restore that is rehearsed",
  ".ants/backup-runs.ndjson": "runs of this host's schedule",
  ".ants/backup-schedule.lock": "the lock of the schedule at work here",
  ".ants/dormant.json": "says that this copy sleeps",
  ".ants/moved.json": "says that this copy moved away",
};

/** What whole-file.ts calls a file that is being written. */
const TEMPORARY = /(^|\/)\.[^/]+\.\d+-\d+-[0-9a-f]{16}\.tmp$/;
/** How a vault begins, and a copy of one: both are canonical JSON, so that their fields have this order. */
const VAULT_BEGINNING = '{"content":"';
const COPY_BEGINNING = '{"did":"did:ants:';
const VAULT_FORMAT = '"format":"ants-vault"';
const COPY_FORMAT = '"format":"ants-vault-copy"';

/** Why a file or folder of a home is in no archive; undefined where it belongs in. `path` relative to the home. */
export function hostOnly(path: string): string | undefined {
  return HOST_ONLY[path] ?? (TEMPORARY.test(path) ? "a file that is being written" : undefined);
}

/** Whether a file is a vault or a copy of one, by its first and its last bytes (at least 16 KiB where it has as many). */
export function looksLikeVault(first: Uint8Array, last: Uint8Array): boolean {
  const beginning = ascii(first.subarray(0, 256));
  if (beginning.startsWith(COPY_BEGINNING)) return beginning.includes(COPY_FORMAT);
  return beginning.startsWith(VAULT_BEGINNING) && ascii(last).includes(VAULT_FORMAT);
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
