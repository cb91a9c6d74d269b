import { utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import { createBatch } from "../protocol/batch.js";
import { sealEscrow } from "../protocol/escrow.js";
import { type ChainHead, CLAIM_KIND, type ParsedEvent, parseEvent } from "../protocol/event.js";
import { HOLDER_SILENCE_MS, MAX_EPOCH_LEAP } from "../protocol/limits.js";
import { Backoff } from "./backoff.js";
import { abortable } from "./deadline.js";
import { EpochsSeen } from "./epochs-seen.js";
import { type Granted, Pen } from "./pen.js";
import { type PenContext, requireState } from "./pen-context.js";
import { describeHolder, heldError } from "./pen-holder.js";
import { penLost } from "./pen-loss.js";
import { promiseRound } from "./promise-round.js";
import { hasQuorum } from "./quorum.js";
import type { RelayAnswer } from "./relay-answer.js";

export interface AcquireOptions {
  /** Displaces a live holder. */
  readonly takeover?: boolean;
  /**
   * The holder handed over to this instance: `event` is the id of its {@link HANDOVER_KIND} event, `instance` the one
   * that it names, which must be this one. The claim is made on that event and nowhere else, and no holder is waited for.
   */
  readonly handover?: { readonly event: string; readonly instance: string };
  /** Waits for a holder to fall silent and for a quorum to come back, until the signal aborts. Default false. */
  readonly wait?: boolean;
  /** Told what is waited for, each time that `wait` has to. */
  readonly onWait?: (why: AntsError) => void;
  /** How long to try before giving up, where `wait` is not set. Default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const ACQUIRE_TIMEOUT_MS = 30_000;
/** One round of asking: long enough for a relay on the other side of the world that is just starting. */
const ROUND_TIMEOUT_MS = 10_000;
/** A claim is given up when no relay acknowledged anything for this long; a relay that is caught up takes its time. */
const CLAIM_SILENCE_MS = 10_000;
/** The claim is held, and some relays have not answered yet: most do within a round trip of the others. */
const LAST_ANSWERS_MS = 300;
const LOOK_AGAIN_MS = 10;
/** Between attempts: racing instances must not meet again, and two of them settle it within a second. */
const ATTEMPT_BACKOFF = { firstMs: 200, maxMs: 5_000 };

/**
 * Claims the pen: promises from a quorum, what they hold, one claim, its acknowledgement by a quorum; as often as it
 * takes, each time above every epoch seen.
 *
 * With a hand-over it also throws `handover-used` (the chain does not end with it any more) and
 * `handover-other-instance`; nothing was signed then.
 *
 * Throws `held` (another instance is live: details say which and since when), `no-quorum` (too few relays answer),
 * `key-not-live`, `chain-missing` (no seq 0 was found, and this home did not make the genesis; or a rotate's anchor was not), `chain-write-failed`,
 * `identity-conflicted`, `no-relays`, `epoch-order` (somebody had epochs promised beyond what a claim may open), or the signal's reason. Nothing has effects before it resolves.
 */
export async function acquirePen(context: PenContext, options: AcquireOptions = {}): Promise<Pen> {
  requireState(context);
  const { clock, random } = context.ports;
  const { wait = false, takeover = false, timeoutMs = ACQUIRE_TIMEOUT_MS, signal } = options;
  const handover = handoverTo(context, options);
  /** The claims that were signed here, each in its round. */
  const ownClaims = new Set<string>();
  const asked = {
    ownClaims,
    takeover,
    ...(signal === undefined ? {} : { signal }),
    ...(handover === undefined ? {} : { handover }),
  };
  const startMs = clock.monotonicMs();
  const backoff = new Backoff(clock, random, ATTEMPT_BACKOFF);
  const seen = new EpochsSeen(Math.max(context.chain.highestEpoch, context.knownEpoch ?? 0));
  for (;;) {
    signal?.throwIfAborted();
    const leftMs = wait ? ROUND_TIMEOUT_MS : Math.max(0, startMs + timeoutMs - clock.monotonicMs());
    const roundTimeoutMs = Math.min(leftMs, ROUND_TIMEOUT_MS);
    const epoch = seen.next(context.chain.highestEpoch);
    seen.used(epoch);
    const round = await promiseRound(context, { ...asked, epoch, seen, timeoutMs: roundTimeoutMs });
    let failure: AntsError;
    switch (round.kind) {
      case "granted": {
        requireHandover(context.did, round, handover, ownClaims);
        const outcome = await claim(context, round, { epoch, seen, ownClaims }, signal);
        if (outcome instanceof Pen) return outcome;
        failure = outcome;
        break;
      }
      case "held": {
        const { holder } = round;
        const connection = context.relays.get(holder.relay);
        failure = heldError(
          context.did,
          wait ? holder : await describeHolder(connection, context.did, holder, context.ports, signal),
        );
        if (!wait) throw failure;
        options.onWait?.(failure);
        // A relay's word: it says how long at most.
        await clock.sleep(HOLDER_SILENCE_MS - Math.min(Math.max(0, holder.seenMs ?? 0), HOLDER_SILENCE_MS), signal);
        break;
      }
      case "outbid":
        seen.outbid();
        failure = outbid(context, round.answers);
        break;
      case "handover-used":
        throw handoverUsed(context.did, handover);
      case "no-quorum":
        failure = noQuorum(context, round.answers, round.what, round.hint);
    }
    const delayMs = backoff.nextDelayMs();
    if (!wait && clock.monotonicMs() + delayMs >= startMs + timeoutMs) throw failure;
    if (wait && round.kind !== "held") options.onWait?.(failure);
    await clock.sleep(delayMs, signal);
  }
}

/** The id of the hand-over that this instance may name. Throws `handover-other-instance`. */
function handoverTo({ did, instance }: PenContext, { handover }: AcquireOptions): string | undefined {
  if (handover === undefined || handover.instance === instance) return handover?.event;
  throw new AntsError(
    "handover-other-instance",
    `the hand-over of ${did} names instance ${handover.instance}, and this one is ${instance}`,
    {
      hint: "a hand-over works once, for the start that asked for it: ask for another one, or start without it",
      details: { did, instance: handover.instance },
    },
  );
}

/** What is claimed with a hand-over follows it, or a claim of an earlier round that did. Throws `handover-used`. */
function requireHandover(
  did: string,
  { base }: Granted,
  handover: string | undefined,
  ownClaims: ReadonlySet<string>,
): void {
  if (handover === undefined || base?.id === handover) return;
  if (base === undefined || !ownClaims.has(base.id)) throw handoverUsed(did, handover);
}

/** One claim: signed, on this disk, and acknowledged by a quorum of every set; else why another attempt is needed. */
async function claim(
  context: PenContext,
  round: Granted,
  { epoch, seen, ownClaims }: { epoch: number; seen: EpochsSeen; ownClaims: Set<string> },
  signal: AbortSignal | undefined,
): Promise<Pen | AntsError> {
  const { base } = round;
  const { identity } = context;
  const anchor = identity.anchorOf(identity.rotations);
  // A rotate that names no anchor voids all there was: the chain begins anew, with the keys that only the owner gave.
  const mayBegin = identity.rotations === 0 ? context.madeGenesis : anchor === undefined;
  if (base === undefined && anchor === undefined && !mayBegin) throw chainMissing(context.did);
  const isOfEra = base !== undefined && identity.rotationsOf(base.key) === identity.rotations;
  if (anchor !== undefined && !isOfEra && base?.id !== anchor.id) return anchorMissing(context.did, anchor);
  if (base !== undefined && base.epoch >= epoch) {
    seen.used(base.epoch);
    return new AntsError("no-quorum", `the chain of ${context.did} is in epoch ${base.epoch} already`);
  }
  if (epoch > (base?.epoch ?? 0) + MAX_EPOCH_LEAP) throw epochsRaised(context.did, epoch, base?.epoch ?? 0);
  const signed = signClaim(context, epoch, round);
  ownClaims.add(signed.id);
  await context.chain.append([signed]);
  const pen = Pen.begin(context, signed, round);
  try {
    const outcome = await settled(context, pen, signal);
    if (outcome === "held" && (await isUndisturbed(context, pen, signal))) {
      pen.use();
      return pen;
    }
    for (const told of pen.contradictions) {
      if ("promised" in told) seen.told(told.relay, told.promised);
      if ("head" in told) seen.told(told.relay, told.head?.epoch);
    }
    if (outcome === "silent") {
      await pen.release();
      return noQuorum(context, new Map(), "did not acknowledge the claim in time");
    }
  } catch (error) {
    await pen.release();
    throw error;
  }
  await pen.release();
  const loss = pen.loss!;
  if (loss.reason === "storage" || loss.reason === "key-not-live") throw penLost(loss);
  return penLost(loss);
}

/** Waits for the claim's fate; "silent" when no relay acknowledged anything for a while. */
async function settled(
  { ports }: PenContext,
  pen: Pen,
  signal: AbortSignal | undefined,
): Promise<"held" | "lost" | "silent"> {
  const fate = Promise.race([pen.held.then(() => "held" as const), pen.lost.then(() => "lost" as const)]);
  for (;;) {
    const before = pen.acknowledgements;
    const timer = new AbortController();
    const silence = ports.clock.sleep(CLAIM_SILENCE_MS, timer.signal).then(
      () => "silent" as const,
      () => "silent" as const,
    );
    try {
      const outcome = await abortable(Promise.race([fate, silence]), signal);
      if (outcome !== "silent" || pen.acknowledgements === before) return outcome;
    } finally {
      timer.abort();
    }
  }
}

/**
 * Gives the relays that were about to answer a moment to do so. One of them may have promised to another start, which a
 * quorum refused and which is gone again: whoever was told by that relay later would have lost the pen to nobody, where
 * another attempt gets it.
 */
async function isUndisturbed(
  { ports: { clock } }: PenContext,
  pen: Pen,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + LAST_ANSWERS_MS;
  const isOwed = () =>
    pen.lanes.some(({ status, acknowledgedSeq }) => status.state === "sending" && acknowledgedSeq < 0);
  while (pen.loss === undefined && isOwed() && clock.monotonicMs() < deadlineMs) {
    await clock.sleep(LOOK_AGAIN_MS, signal);
  }
  return pen.loss === undefined;
}

function signClaim(context: PenContext, epoch: number, { base, operation }: Granted): ParsedEvent {
  const { did, seed, instance, label, ports, readingKeys = [] } = context;
  const body = {
    instance,
    label,
    identity: operation.hash,
    ...(readingKeys.length === 0 ? {} : { escrow: sealEscrow(did, readingKeys, operation.op.escrow, ports.random) }),
  };
  const [signed] = createBatch({
    did,
    seed,
    epoch,
    ...(base === undefined ? {} : { after: base }),
    drafts: [{ kind: CLAIM_KIND, body, timeMs: ports.clock.nowMs() }],
    random: ports.random,
  });
  return parseEvent(utf8(signed!.line));
}

function handoverUsed(did: string, handover: string | undefined): AntsError {
  return new AntsError("handover-used", `the chain of ${did} does not end with hand-over ${handover} any more`, {
    hint: "a hand-over works once: hand over anew from where the agent is now",
    details: { did, ...(handover === undefined ? {} : { handover }) },
  });
}

/** Relays promised so high an epoch that no claim in it may follow the chain: it takes many promises without a claim. */
function epochsRaised(did: string, epoch: number, after: number): AntsError {
  return new AntsError(
    "epoch-order",
    `the relays promised epochs of ${did} up to ${epoch - 1}; a claim after epoch ${after} opens ${after + MAX_EPOCH_LEAP} at most`,
    { hint: "somebody with this agent's key raised the epochs: ants rotate", details: { did, epoch, after } },
  );
}

function chainMissing(did: string): AntsError {
  return new AntsError("chain-missing", `no event of ${did} was found, and this home did not make its genesis`, {
    hint: "restore the chain from a backup, or reach a relay that has it; a second chain is never begun",
    details: { did },
  });
}

/** Another relay may have it, so it is asked for again. */
function anchorMissing(did: string, { epoch, seq, id }: ChainHead): AntsError {
  return new AntsError(
    "chain-missing",
    `the rotate of ${did} goes on from event ${id} (epoch ${epoch}, seq ${seq}), and no relay that answers has it`,
    {
      hint: "start again when more relays answer, or restore the chain from a backup; nothing was signed",
      details: { did, anchor: id, epoch, seq },
    },
  );
}

/** Relays don't say to whom they promised. Where too few answer, that is what is missing, and there may be no race. */
function outbid(context: PenContext, answers: ReadonlyMap<string, RelayAnswer>): AntsError {
  const says = (key: string) => ["granted", "held", "outbid"].includes(answers.get(key)?.state ?? "");
  if (!hasQuorum(relaySetOf(context.identity.newest!), says)) return noQuorum(context, answers);
  return new AntsError(
    "no-quorum",
    `another start of ${context.did} is claiming the pen just now, or has just tried to`,
    {
      hint: "try again in a moment",
      details: { did: context.did },
    },
  );
}

function noQuorum(
  { did, identity, relays: pool }: PenContext,
  answers: ReadonlyMap<string, RelayAnswer>,
  what = "are not enough for a quorum",
  hint = "check the network and the relays (ants doctor); nothing was signed, and nothing is queued: try again, or wait with --wait",
): AntsError {
  const { quorum, relays } = relaySetOf(identity.newest!);
  const shown = [...answers].map(([key, answer]) => {
    const [url] = key.split(" ") as [string];
    return `${url}: ${describeAnswer(answer, pool.whyAway(url)).replace(` ${url}`, "")}`;
  });
  const why = shown.length === 0 ? "" : `: ${shown.join("; ")}`;
  return new AntsError("no-quorum", `the relays of ${did} ${what} (${quorum} of ${relays.length} are needed)${why}`, {
    hint,
    details: { did, quorum, answers: shown },
  });
}

/** `away`: why there is no connection, where that is known. */
function describeAnswer(answer: RelayAnswer, away: AntsError | undefined): string {
  switch (answer.state) {
    case "asking":
      return (answer.error ?? away)?.message ?? "no answer yet";
    case "held":
      return `held by ${answer.holder.instance}`;
    case "wrong-stream":
      return `is another incarnation now (stream ${answer.stream})`;
    case "refused":
      return answer.error.message;
    case "outbid":
      return "promised a newer epoch already, to another start or to an earlier attempt of this one";
    case "granted":
      return "promised";
  }
}
