import { fromUtf8 } from "../../keys/bytes.js";
import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { systemClock } from "../../keys/ports.js";
import { withDeadline } from "../client/deadline.js";
import { systemPorts } from "../client/ports.js";
import type { ChainHead } from "../protocol/event.js";
import { parseRelayInfo, type RelayInfo } from "../protocol/relay-info.js";
import { httpUrlOf } from "../protocol/relay-url.js";

/** What a relay says of itself or of one agent's head: more is something else. */
const MAX_INFO_BYTES = 64 * 1024;
const DEFAULT_TIMEOUT_MS = 5_000;
/** Between two tries while a relay is starting. */
const RETRY_MS = 200;

export interface AskOptions {
  readonly signal: AbortSignal;
  /** How long to wait for the answer, tries included. */
  readonly timeoutMs?: number;
  /** Try again while nobody listens there: the relay may be starting. */
  readonly retry?: boolean;
}

/**
 * What a relay says about itself, from its well-known address. Throws AntsError "relay-unreachable" for no answer,
 * "not-a-relay" for an answer of something else, or the signal's reason.
 */
export async function askRelay(url: string, options: AskOptions): Promise<RelayInfo> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const late = (): AntsError => unreachable(url, `no answer within ${timeoutMs / 1000} s`);
  return withDeadline(systemClock, timeoutMs, options.signal, late, async (signal) => {
    for (;;) {
      try {
        return await askOnce(url, signal);
      } catch (error) {
        if (options.retry !== true || !isAntsError(error, "relay-unreachable")) throw error;
        await systemClock.sleep(RETRY_MS, signal).catch(() => {
          options.signal.throwIfAborted();
          throw error;
        });
      }
    }
  });
}

/** The newest event of an agent that a relay has. Throws AntsError "relay-unreachable" or the signal's reason. */
export async function agentHead(url: string, did: Did, signal: AbortSignal): Promise<ChainHead | undefined> {
  const { status, body } = await systemPorts.get(httpAddress(url, `/agents/${did}/head`), {
    maxBytes: MAX_INFO_BYTES,
    signal,
  });
  return status === 200 ? (JSON.parse(fromUtf8(body)) as { head?: ChainHead }).head : undefined;
}

/** A path at a relay, by HTTP. */
export function httpAddress(url: string, path: string): string {
  return `${httpUrlOf(url).replace(/\/$/, "")}${path}`;
}

async function askOnce(url: string, signal: AbortSignal): Promise<RelayInfo> {
  const address = httpAddress(url, "/.well-known/ants-relay");
  const { status, body } = await systemPorts
    .get(address, { maxBytes: MAX_INFO_BYTES, signal })
    .catch((error: unknown) => {
      throw isAntsError(error, "relay-unreachable") ? unreachable(url, "nothing answers there", error) : error;
    });
  if (status >= 500) throw unreachable(url, `it answers with status ${status}`);
  try {
    return parseRelayInfo(JSON.parse(fromUtf8(body)));
  } catch (cause) {
    throw new AntsError("not-a-relay", `${address} answers with status ${status} and no description of a relay`, {
      hint: "check the URL: it is the one that the relay prints when it starts",
      cause,
      details: { url, status },
    });
  }
}

function unreachable(url: string, why: string, cause?: unknown): AntsError {
  return new AntsError("relay-unreachable", `${url}: ${why}`, {
    details: { url },
    ...(cause === undefined ? {} : { cause }),
  });
}
