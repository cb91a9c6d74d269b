import { base64url, fromBase64url, fromUtf8, utf8, zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { type MoveRequest, parseMoveRequest } from "../../keys/node/move-request.js";
import type { Disk } from "../../keys/ports.js";

/** A request of this host, with its one-time secret: 0600, outside every home, gone once the agent has arrived. */
export interface PendingMove {
  readonly request: MoveRequest;
  readonly secret: Uint8Array;
  /** The home that is about to claim, or has: awake, it is the agent that came with this request. */
  readonly home?: string;
}

/** A bundle may be on its way for long; after this beyond the request's day nobody waits for it any more. */
const KEPT_MS = 7 * 24 * 3_600_000;

export async function keepPendingMove(disk: Disk, folder: string, pending: PendingMove): Promise<void> {
  const { request, secret, home } = pending;
  await disk.mkdir(folder);
  const record = { request: request.line, secret: base64url(secret), ...(home === undefined ? {} : { home }) };
  const text = `${JSON.stringify(record)}\n`;
  await disk.replace(pathOf(folder, request.hash), utf8(text), { mode: 0o600 });
}

/** The request that a bundle answers. Throws AntsError "move-no-request", disk errors. */
export async function readPendingMove(disk: Disk, folder: string, hash: string): Promise<PendingMove> {
  const pending = decoded(await disk.read(pathOf(folder, hash)));
  if (pending?.request.hash === hash) return pending;
  throw new AntsError("move-no-request", "no request of this host waits for that bundle", {
    hint: "a bundle works once, on the host that asked for it: begin anew with ants migrate in --start",
    details: { request: hash },
  });
}

/** The agent has arrived: what was sealed to the secret opens nowhere any more. */
export function forgetPendingMove(disk: Disk, folder: string, hash: string): Promise<void> {
  return disk.remove(pathOf(folder, hash));
}

/** Removes the secrets of requests whose time is long over: what was sealed to them opens nowhere any more. */
export async function forgetExpiredMoves(disk: Disk, folder: string, nowMs: number): Promise<void> {
  for (const name of await disk.list(folder)) {
    const path = `${folder}/${name}`;
    const pending = name.endsWith(".json") ? decoded(await disk.read(path)) : undefined;
    if (pending !== undefined && pending.request.expiresMs + KEPT_MS < nowMs) await disk.remove(path);
    zero(...(pending === undefined ? [] : [pending.secret]));
  }
}

function decoded(bytes: Uint8Array | undefined): PendingMove | undefined {
  if (bytes === undefined) return undefined;
  try {
    const { request, secret, home } = JSON.parse(fromUtf8(bytes)) as Record<string, string>;
    const pending = { request: parseMoveRequest(request!), secret: fromBase64url(secret!, 32) };
    return home === undefined ? pending : { ...pending, home };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof AntsError) return undefined;
    throw error;
  }
}

function pathOf(folder: string, hash: string): string {
  return `${folder}/${hash.slice(0, 32)}.json`;
}
