import { join } from "node:path";
import { utf8 } from "../../../keys/bytes.js";
import { createNodeDisk } from "../../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../../keys/ports.js";
import { DataFolder, type DataFolderOptions } from "../../../relay/data-folder.js";
import { Ledger } from "../../../relay/ledger.js";
import { nodeLogFiles } from "../../../relay/log/log-files.js";
import { FrameVerifier } from "../../../relay/verify/frame-verifier.js";
import { createBatch, type EventDraft, type SignedEvent } from "../../../src/protocol/batch.js";
import { DEFAULT_LIMITS } from "../../../src/protocol/limits.js";
import { claimBody, did, genesis, note, seed, timeMs } from "../../protocol/author.js";

export const disk = createNodeDisk({ label: "a test" });
export const files = nodeLogFiles;

export function optionsFor(folder: string, more: Partial<DataFolderOptions> = {}): DataFolderOptions {
  return {
    folder: join(folder, "data"),
    disk,
    files,
    random: systemRandom,
    clock: systemClock,
    origin: (stream) => `relay.example/${stream}`,
    segmentBytes: 20_000,
    ...more,
  };
}

/** A relay's storage without its sockets. */
export async function openLedger(folder: string, more: Partial<DataFolderOptions> = {}): Promise<Ledger> {
  return Ledger.open(await DataFolder.open(optionsFor(folder, more)), systemClock);
}

/** One agent's whole chain: genesis, a claim, and notes; in lines of 1, 1 and then up to 64 a frame. */
export function chain(
  notes: number,
  text = "entry",
  more: (i: number) => Partial<EventDraft> = () => ({}),
): string[][] {
  const claim: EventDraft = { kind: "ants.claim", body: claimBody, timeMs };
  const events: SignedEvent[] = createBatch({ did, seed, epoch: 1, drafts: [claim] });
  const frames = [[genesis.line], [events[0]!.line]];
  for (let made = 0; made < notes; made += 64) {
    const drafts = Array.from({ length: Math.min(64, notes - made) }, (_, i) =>
      note(`${text} ${made + i}`, { tags: ["t"], ...more(made + i) }),
    );
    const last = events.at(-1)!.event;
    const batch = createBatch({ did, seed, epoch: 1, after: last, drafts });
    events.push(...batch);
    frames.push(batch.map(({ line }) => line));
  }
  return frames;
}

export const verifier = new FrameVerifier(DEFAULT_LIMITS);

/** Publishes frames one after the other; every entry must be taken. */
export async function publish(ledger: Ledger, frames: readonly (readonly string[])[]): Promise<number> {
  let last = 0;
  for (const lines of frames) {
    const reply = await ledger.publish(verifier.verify(utf8(lines.map((line) => `${line}\n`).join(""))), {});
    if (!("at" in reply)) throw new Error(`refused: ${JSON.stringify(reply)}`);
    last = reply.at.at(-1)!;
  }
  return last;
}

/** Signs the present head, as a relay does for its readers. */
export function signHead({ folder }: Ledger): Promise<string> {
  return folder.signHead(folder.tree.size, folder.tree.root());
}
