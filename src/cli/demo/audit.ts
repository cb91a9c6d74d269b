import { equalBytes, fromHex } from "../../../keys/bytes.js";
import type { Did } from "../../../keys/did.js";
import { AntsError } from "../../../keys/errors.js";
import { resolveIdentity } from "../../../keys/identity/resolve.js";
import { standingOf } from "../../../keys/identity/state.js";
import { Frontier } from "../../../keys/merkle/frontier.js";
import { leafHash } from "../../../keys/merkle/hashes.js";
import { systemPorts } from "../../client/ports.js";
import { RootCache, verifyEventSignature } from "../../protocol/batch.js";
import { verifyCheckpoint } from "../../protocol/checkpoint.js";
import { parseCursor, startCursor } from "../../protocol/cursor.js";
import { type ParsedEntry, parseEntry } from "../../protocol/entry.js";
import { readRelayFrame } from "../../protocol/messages.js";
import { askRelay, httpAddress } from "../relay-info.js";

export interface Audit {
  /** Everything in the log: events, identity operations, promises. */
  readonly entries: number;
  /** Ids of the agent's events of the wanted kind, in the log's order. */
  readonly events: readonly string[];
  readonly signatures: number;
  /** The size of the signed tree head that the log was checked against. */
  readonly treeSize: number;
}

/** What a relay may send in one answer: a frame of 1 MiB and its envelope. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;

/**
 * Reads a relay's whole log by plain HTTP and believes nothing of it: every line is parsed strictly and its hash and
 * signature checked, the agent's events must be one unbroken chain in order, each key live in the identity log that
 * the same relay serves, and the Merkle root over all entries must be the one that the relay signed. Throws AntsError
 * "audit-failed" with what is wrong, or the code of the check that failed.
 */
export async function auditRelay(url: string, did: Did, kind: string, signal: AbortSignal): Promise<Audit> {
  const info = await askRelay(url, { signal });
  const tree = Frontier.empty();
  const roots = new RootCache();
  const seen = new Set<string>();
  const operations: Uint8Array[] = [];
  const keys = new Set<string>();
  const events: string[] = [];
  let previous: string | undefined;
  let signatures = 0;

  const take = (entry: ParsedEntry): void => {
    if (seen.has(entry.id)) throw failed(url, `holds ${entry.id} twice`);
    seen.add(entry.id);
    signatures += 1;
    if (entry.did !== did) return;
    if (entry.type === "identity") operations.push(entry.line);
    if (entry.type !== "event") return;
    if (!verifyEventSignature(entry, roots))
      throw failed(url, `holds ${entry.id} with a signature that does not verify`);
    if (entry.event.prev !== previous) throw failed(url, `has a gap or a swap before seq ${entry.event.seq}`);
    previous = entry.id;
    keys.add(entry.event.key);
    if (entry.event.kind === kind) events.push(entry.id);
  };

  let cursor = startCursor(info.stream);
  for (;;) {
    const { status, body } = await systemPorts.get(httpAddress(url, `/entries?after=${cursor}`), {
      maxBytes: MAX_ANSWER_BYTES,
      signal,
    });
    const { message, entries } = readRelayFrame(body);
    if (status !== 200 || message.t !== "entries") throw failed(url, `answered /entries with status ${status}`);
    for (const [index, line] of entries.entries()) {
      if (message.at[index] !== tree.size + 1)
        throw failed(url, `skips from position ${tree.size} to ${message.at[index]}`);
      const entry = parseEntry(line);
      take(entry);
      tree.append(leafHash(fromHex(entry.id)));
    }
    if (message.cursor === cursor) break;
    cursor = message.cursor;
  }
  if (parseCursor(cursor).position !== tree.size) throw failed(url, "names a cursor beyond what it served");

  const { body } = await systemPorts.get(httpAddress(url, "/checkpoint?fresh=1"), {
    maxBytes: MAX_ANSWER_BYTES,
    signal,
  });
  const head = verifyCheckpoint(new TextDecoder().decode(body), { key: info.key, stream: info.stream });
  if (head.size !== tree.size || !equalBytes(head.root, tree.root())) {
    throw failed(url, `signed a tree head of ${head.size} entries that is not the root of the ${tree.size} it served`);
  }
  const resolution = resolveIdentity(did, operations);
  if (resolution.status !== "verified") throw failed(url, `serves an identity log that is ${resolution.status}`);
  for (const key of keys) {
    if (standingOf(resolution.state, key)?.live !== true)
      throw failed(url, `holds events of ${key}, which is not the agent's`);
  }
  return { entries: tree.size, events, signatures, treeSize: head.size };
}

function failed(url: string, what: string): AntsError {
  return new AntsError("audit-failed", `${url} ${what}`, { details: { url } });
}
