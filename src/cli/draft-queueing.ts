import type { JsonObject } from "../../keys/canonical.js";
import type { AntsError } from "../../keys/errors.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock, systemRandom } from "../../keys/ports.js";
import { DraftQueue, type QueuedDraft } from "../agent/draft-queue.js";
import { AgentHome } from "../agent/home.js";
import { EXIT } from "../protocol/errors.js";
import { readChain } from "./chain-reading.js";
import type { CommandContext, CommandResult } from "./context.js";

/** Keeps what cannot be published for want of a quorum, and says so: nothing is signed, and nothing has effects. */
export async function queueDrafts(
  { home: path, out }: CommandContext,
  bodies: Iterable<JsonObject> | AsyncIterable<JsonObject>,
  draftOf: (body: JsonObject) => QueuedDraft,
  why: AntsError,
): Promise<CommandResult> {
  const home = await AgentHome.open(nodeDisk, path);
  const lock = await home.lock();
  try {
    const queue = new DraftQueue(nodeDisk, home.layout.drafts);
    const { did } = home.config;
    const { chain } = await readChain(home);
    let added = 0;
    try {
      for await (const body of bodies) {
        const draft = { ...draftOf(body), timeMs: systemClock.nowMs() };
        await queue.add(did, draft, { chain, random: systemRandom });
        added += 1;
      }
    } finally {
      await chain.close();
    }
    const waiting = await queue.size();
    out.warn(`${why.message}: nothing is signed`);
    await out.result({ did, queued: added, waiting }, [
      `${added} ${added === 1 ? "event is" : "events are"} queued (${waiting} ${waiting === 1 ? "waits" : "wait"}); the next command that gets the pen publishes them, in order`,
    ]);
    return EXIT.partlyDone;
  } finally {
    await lock.release();
  }
}
