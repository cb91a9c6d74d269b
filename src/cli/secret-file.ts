import { constants, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { concat, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";

/** Passphrases have at most 4,096 bytes, recovery words fewer; what is longer is another file, named by mistake. */
const MAX_SECRET_FILE_BYTES = 8_192;
const FOREIGN_PERMISSIONS = 0o077;

export interface SecretFileRules {
  /** "skip": no file is no error, but undefined. */
  readonly absent?: "refuse" | "skip";
  /** "private", unless given: the file is ours or root's, and nobody else may read it. */
  readonly modes?: "private" | "any";
}

/**
 * A small file with a secret: a passphrase, recovery words. Links are followed (mounted secrets are links), what is
 * read is judged by its descriptor. Throws AntsError "passphrase-file" or "passphrase-file-mode".
 */
export async function readSecretFile(
  path: string,
  rules?: SecretFileRules & { absent?: "refuse" },
): Promise<Uint8Array>;
export async function readSecretFile(path: string, rules: SecretFileRules): Promise<Uint8Array | undefined>;
export async function readSecretFile(path: string, rules: SecretFileRules = {}): Promise<Uint8Array | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    // Without waiting for the other end of a pipe.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (rules.absent === "skip" && (error as { code?: unknown }).code === "ENOENT") return undefined;
    throw unreadable(path, (error as Error).message, error);
  }
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw unreadable(path, "it is not a regular file");
    if (rules.modes !== "any") assertPrivate(path, found);
    return await readAll(handle, path);
  } finally {
    await handle.close();
  }
}

function assertPrivate(path: string, found: Stats): void {
  const user = process.geteuid?.();
  if (user !== undefined && found.uid !== user && found.uid !== 0) {
    throw exposed(path, `it belongs to user ${found.uid}, who can read and change it`, `chown ${user} ${path}`);
  }
  if ((found.mode & FOREIGN_PERMISSIONS) !== 0) {
    const mode = (found.mode & 0o7777).toString(8).padStart(4, "0");
    throw exposed(path, `its mode is ${mode}, expected 0600`, `chmod 600 ${path}`);
  }
}

async function readAll(handle: Awaited<ReturnType<typeof open>>, path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  try {
    // One byte more than allowed is enough to know that there is more.
    for (let left = MAX_SECRET_FILE_BYTES + 1; left > 0; ) {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(left), 0, left);
      if (bytesRead === 0) return concat(...parts);
      parts.push(buffer.subarray(0, bytesRead));
      left -= bytesRead;
    }
    throw unreadable(path, `it has more than ${MAX_SECRET_FILE_BYTES} bytes`);
  } finally {
    zero(...parts);
  }
}

function unreadable(path: string, because: string, cause?: unknown): AntsError {
  return new AntsError("passphrase-file", `could not read a secret from ${path}: ${because}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "check the path; the file holds the secret, nothing else, and has mode 0600",
    details: { path },
  });
}

function exposed(path: string, because: string, hint: string): AntsError {
  return new AntsError("passphrase-file-mode", `refused ${path}: ${because}`, { hint, details: { path } });
}
