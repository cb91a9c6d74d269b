import { base64url, fromBase64url, fromUtf8, utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { type MoveRequest, parseMoveRequest } from "../../keys/node/move-request.js";
import type { Disk } from "../../keys/ports.js";

/** A request of this host, with its one-time secret: 0600, outside every home, gone once the agent has arrived. */
export interface PendingMove {
  readonly request: MoveRequest;
  readonly secret: Uint8Array;
}

export async function keepPendingMove(disk: Disk, folder: string, { request, secret }: PendingMove): Promise<void> {
  await disk.mkdir(folder);
  const text = `${JSON.stringify({ request: request.line, secret: base64url(secret) })}\n`;
  await disk.replace(pathOf(folder, request.hash), utf8(text), { mode: 0o600 });
}

/** The request that a bundle answers. Throws AntsError "move-no-request", disk errors. */
export async function readPendingMove(disk: Disk, folder: string, hash: string): Promise<PendingMove> {
  const bytes = await disk.read(pathOf(folder, hash));
  try {
    if (bytes !== undefined) {
      const { request, secret } = JSON.parse(fromUtf8(bytes)) as { request: string; secret: string };
      const parsed = parseMoveRequest(request);
      if (parsed.hash === hash) return { request: parsed, secret: fromBase64url(secret, 32) };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError || error instanceof AntsError)) throw error;
  }
  throw new AntsError("move-no-request", "no request of this host waits for that bundle", {
    hint: "a bundle works once, on the host that asked for it: begin anew with ants migrate in --start",
    details: { request: hash },
  });
}

/** The agent has arrived: what was sealed to the secret opens nowhere any more. */
export function forgetPendingMove(disk: Disk, folder: string, hash: string): Promise<void> {
  return disk.remove(pathOf(folder, hash));
}

function pathOf(folder: string, hash: string): string {
  return `${folder}/${hash.slice(0, 32)}.json`;
}
