import { base64url, fromBase64url, fromUtf8, utf8 } from "../../keys/bytes.js";
import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { type JoinRequest, parseJoinRequest } from "../../keys/node/join-request.js";
import type { Disk } from "../../keys/ports.js";

/** A request to join that this device made, with its one-time secret; one for each agent, 0600, gone once it is used. */
export interface PendingJoin {
  readonly request: JoinRequest;
  readonly secret: Uint8Array;
}

export function pendingPath(folder: string, did: Did): string {
  return `${folder}/${did.slice("did:ants:".length)}.json`;
}

export async function keepPending(disk: Disk, folder: string, { request, secret }: PendingJoin): Promise<void> {
  await disk.mkdir(folder);
  const text = `${JSON.stringify({ request: request.line, secret: base64url(secret) })}\n`;
  await disk.replace(pendingPath(folder, request.did), utf8(text), { mode: 0o600 });
}

/** Throws AntsError "join-no-request", also for a file that cannot be understood: the way out is the same. */
export async function readPending(disk: Disk, folder: string, did: Did): Promise<PendingJoin> {
  const bytes = await disk.read(pendingPath(folder, did));
  try {
    if (bytes !== undefined) {
      const { request, secret } = JSON.parse(fromUtf8(bytes)) as { request: string; secret: string };
      return { request: parseJoinRequest(request), secret: fromBase64url(secret, 32) };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError || error instanceof AntsError)) throw error;
  }
  throw new AntsError("join-no-request", `no request of this device to join ${did} waits for an answer`, {
    hint: `begin anew: ants join --did ${did}`,
    details: { did },
  });
}

/** Remembers that a request was answered, until it expires. Throws AntsError "join-replayed" where it was before. */
export async function noteAnswered(disk: Disk, folder: string, request: JoinRequest, nowMs: number): Promise<void> {
  await disk.mkdir(folder);
  const lock = await disk.lock(`${folder}/answered.lock`);
  try {
    const path = `${folder}/answered.json`;
    const bytes = await disk.read(path);
    const known = bytes === undefined ? {} : readAnswered(path, bytes);
    if (Object.hasOwn(known, request.hash)) {
      throw new AntsError("join-replayed", "this request was answered before: its key is for one answer", {
        hint: `on the new device: ants join --did ${request.did}`,
      });
    }
    const waiting = Object.entries(known).filter(([, expiresMs]) => expiresMs > nowMs);
    const next = Object.fromEntries([...waiting, [request.hash, request.expiresMs]]);
    await disk.replace(path, utf8(`${JSON.stringify(next)}\n`), { mode: 0o600 });
  } finally {
    await lock.release();
  }
}

/** What a damaged list would have forbidden is not known: nothing is answered then. */
function readAnswered(path: string, bytes: Uint8Array): Record<string, number> {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    const isList = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isList && Object.values(value).every(Number.isSafeInteger)) return value as Record<string, number>;
  } catch {
    // Told below, like a list of another form.
  }
  throw new AntsError("join-replayed", `${path} cannot be understood: whether this request was answered is not known`, {
    hint: "move that file away once every request that was answered has expired, and ask anew on the new device",
    details: { path },
  });
}
