import { AntsError, isAntsError } from "../../keys/errors.js";
import type { RelaySet } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import { errorOfRefusal } from "../protocol/refusal.js";
import { Backoff, pauseAskedFor } from "./backoff.js";
import { LinkedAbort, withDeadline } from "./deadline.js";
import { publishIdentity } from "./identity-exchange.js";
import { onAbort } from "./on-abort.js";
import type { PenContext } from "./pen-context.js";
import { hasQuorum, relayKey, relaysOf } from "./quorum.js";

/** What became of one relay that was to store the identity log. */
export type SpreadAnswer =
  | { readonly state: "asking"; readonly error?: AntsError }
  | { readonly state: "stored" }
  | { readonly state: "wrong-stream"; readonly stream: string }
  | { readonly state: "refused"; readonly error: AntsError };

export interface SpreadOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Sends the agent's identity log, as it is known here, to every relay of these sets, and resolves as soon as a quorum of
 * each has stored it. A relay counts only under the stream that its set names.
 *
 * Throws `identity-unspread` when that cannot come about, or not in time: details.answers says by URL what each relay
 * that is missing answered, and details.code what the first refusal was, where there was one. Throws the signal's reason.
 */
export async function spreadIdentity(
  context: Pick<PenContext, "did" | "identity" | "relays" | "ports">,
  sets: readonly RelaySet[],
  { timeoutMs, signal }: SpreadOptions,
): Promise<void> {
  const { clock } = context.ports;
  const answers = new Map<string, SpreadAnswer>();
  const relays = relaysOf(sets);
  for (const relay of relays) answers.set(relayKey(relay), { state: "asking" });
  const late = new AntsError("identity-unspread", "not in time");
  const over = new LinkedAbort(signal);
  const asking: Promise<void>[] = [];
  try {
    await withDeadline(
      clock,
      timeoutMs,
      signal,
      () => late,
      (signal) =>
        new Promise<void>((resolve, reject) => {
          onAbort(signal, () => reject(signal.reason));
          const judge = (key: string, answer: SpreadAnswer) => {
            answers.set(key, answer);
            if (sets.every((set) => hasQuorum(set, (key) => answers.get(key)?.state === "stored"))) resolve();
            else if (!sets.every((set) => hasQuorum(set, (key) => isOpen(answers.get(key))))) reject(late);
          };
          for (const relay of relays) {
            asking.push(tell(context, relay, over.signal, (answer) => judge(relayKey(relay), answer)).catch(reject));
          }
        }),
    );
  } catch (error) {
    throw error === late ? unspread(context, relays, answers) : error;
  } finally {
    over.abort();
    await Promise.all(asking);
  }
}

function isOpen(answer: SpreadAnswer | undefined): boolean {
  return answer?.state === "stored" || answer?.state === "asking";
}

/** Tells one relay until it answered in a way that counts, or the signal aborts. */
async function tell(
  { identity, relays, ports }: Pick<PenContext, "identity" | "relays" | "ports">,
  relay: RelayAddress,
  signal: AbortSignal,
  answered: (answer: SpreadAnswer) => void,
): Promise<void> {
  const connection = relays.get(relay.url);
  const backoff = new Backoff(ports.clock, ports.random, { firstMs: 250, maxMs: 2_000 });
  while (!signal.aborted) {
    try {
      const { stream } = await connection.opened(signal);
      if (stream !== relay.stream) return answered({ state: "wrong-stream", stream });
      const refusal = await publishIdentity(connection, identity, signal);
      if (refusal === undefined) return answered({ state: "stored" });
      if (!refusal.retryable) return answered({ state: "refused", error: errorOfRefusal(refusal) });
      answered({ state: "asking", error: errorOfRefusal(refusal) });
      await ports.clock.sleep(pauseAskedFor(refusal.retryAfterMs) ?? backoff.nextDelayMs(), signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isAntsError(error)) throw error;
      answered({ state: "asking", error });
      if (connection.status.state === "closed") return;
      await backoff.wait(signal).catch(() => undefined);
    }
  }
}

function unspread(
  { did, relays: pool }: Pick<PenContext, "did" | "relays">,
  relays: readonly RelayAddress[],
  answers: ReadonlyMap<string, SpreadAnswer>,
): AntsError {
  const missing = relays.flatMap((relay) => {
    const answer = answers.get(relayKey(relay))!;
    if (answer.state === "stored") return [];
    const { url } = relay;
    if (answer.state === "wrong-stream") return [{ url, why: `is another incarnation now (stream ${answer.stream})` }];
    const error = answer.error ?? pool.whyAway(url);
    return [
      { url, why: error?.message ?? "no answer in time", ...(error === undefined ? {} : { code: codeOf(error) }) },
    ];
  });
  const shown = missing.map(({ url, why }) => `${url}: ${why.replace(` ${url}`, "")}`).join("; ");
  const refused = [...answers.values()].find((answer) => answer.state === "refused");
  return new AntsError("identity-unspread", `too few relays store the identity of ${did}: ${shown}`, {
    details: { did, answers: missing, ...(refused?.state === "refused" ? { code: codeOf(refused.error) } : {}) },
    ...(refused?.state === "refused" ? { cause: refused.error } : {}),
  });
}

/** Also of a code that this version doesn't know. */
function codeOf({ code, details }: AntsError): string {
  return code === "relay-refused" && typeof details.code === "string" ? details.code : code;
}
