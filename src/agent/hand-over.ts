import type { JsonObject } from "../../keys/canonical.js";
import { isAntsError } from "../../keys/errors.js";
import type { Pen } from "../client/pen.js";
import type { PenContext } from "../client/pen-context.js";
import type { Publication } from "../client/publication.js";
import type { Publisher } from "../client/publisher.js";
import { type ParsedEvent, parseEvent } from "../protocol/event.js";
import { HANDOVER_KIND } from "../protocol/handover.js";

export interface HandOverOptions {
  /** The instance that goes on, 16 hex digits, drawn by it for the start that is to come. */
  readonly instance: string;
  /** More for whoever goes on; public, like the event. `instance` and `until` are set here. */
  readonly body?: JsonObject;
  /** Until when the hand-over is expected to be used, milliseconds since 1970; advisory. Default: a day from now. */
  readonly untilMs?: number;
  /** Ends the waiting: see {@link handOver}. */
  readonly signal?: AbortSignal;
}

const HANDOVER_MS = 24 * 60 * 60 * 1_000;

/**
 * Hands the pen over: waits until everything is committed, commits the hand-over as the last event of the epoch, and
 * gives the pen up. Resolves with the event when a quorum has it: then the named instance may claim without a wait, and
 * nothing more is written here until this agent claims anew.
 *
 * Throws what `Publisher.drain` throws, with nothing signed and the pen still held. Where the hand-over was signed and
 * its fate is unknown it throws `publish-unknown` (details.events) and the pen is given up all the same: the other
 * instance may have read it.
 */
export async function handOver(
  agent: { readonly pen: Pen; readonly publisher: Publisher; readonly context: Pick<PenContext, "ports"> },
  { instance, body = {}, untilMs, signal }: HandOverOptions,
): Promise<ParsedEvent> {
  const { publisher } = agent;
  const withSignal = signal === undefined ? {} : { signal };
  await publisher.drain(withSignal);
  const until = untilMs ?? agent.context.ports.clock.nowMs() + HANDOVER_MS;
  const draft = { kind: HANDOVER_KIND, body: { ...body, instance, until } };
  let publication: Publication;
  try {
    publication = await publisher.publishLast([draft], { durability: "quorum", ...withSignal });
  } catch (error) {
    if (isAntsError(error, "publish-unknown")) await agent.pen.release();
    throw error;
  }
  await agent.pen.release();
  return parseEvent(publication.events[0]!.line);
}
