import { AntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { requestTimeout } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import type { Lookup, WebAnswer } from "./lookup/lookup.js";
import { isPrivateHost } from "./private-hosts.js";

export interface FetchOptions {
  readonly lookup: Lookup;
  readonly clock: Clock;
  /** The media types that the answer may have, the wanted one first. */
  readonly types: readonly string[];
  /** Addresses of this machine and its network may be asked; those of this machine without TLS. */
  readonly allowPrivate: boolean;
  /** For all of it: names, redirects, the body. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What is at a URL; `nothing` where the server, or the DNS for its name, answers that nothing is. */
export type Fetched =
  | { readonly answer: "body"; readonly body: Uint8Array; readonly maxAgeMs?: number }
  | { readonly answer: "nothing"; readonly why: string };

const MAX_BYTES = 64 * 1024;
const MAX_REDIRECTS = 4;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether a host means this very machine, by its name or literal address. */
export function isLoopback(url: string): boolean {
  return LOOPBACK.test(new URL(url).hostname);
}

/**
 * Reads a small document from a server that somebody else chose. Each place that a redirect leads to is held to the same
 * rules as the first.
 *
 * Throws AntsError "web-redirect" (not to https, in a circle, too many), "private-address", "web-status" (neither an
 * answer nor the word that there is none), "web-content-type", "too-large", "web-unreachable", "request-timeout", or the
 * signal's reason.
 */
export async function fetchDocument(url: string, options: FetchOptions): Promise<Fetched> {
  const { clock, timeoutMs, signal } = options;
  const late = () => requestTimeout(url, timeoutMs);
  return withDeadline(clock, timeoutMs, signal, late, async (signal) => {
    const seen = new Set<string>();
    for (let at = url; ; ) {
      checkPlace(at, url, options);
      seen.add(at);
      const answer = await getOrNothing(at, { ...options, signal });
      if (answer === undefined) return { answer: "nothing", why: `there is no host ${new URL(at).hostname}` };
      if (!REDIRECTS.has(answer.status)) return read(at, answer, options.types);
      at = nextPlace(at, answer.location);
      if (seen.has(at)) throw redirect(url, at, "in a circle");
      if (seen.size > MAX_REDIRECTS) throw redirect(url, at, `over more than ${MAX_REDIRECTS} others`);
    }
  });
}

function checkPlace(at: string, first: string, { allowPrivate }: FetchOptions): void {
  const { protocol, username, password } = new URL(at);
  if (protocol !== "https:" && !(protocol === "http:" && allowPrivate && isLoopback(at))) {
    throw redirect(first, at, "without TLS");
  }
  if (username !== "" || password !== "") throw redirect(first, at, "with credentials");
  if (!allowPrivate && isPrivateHost(at)) {
    throw new AntsError("private-address", `${at} is an address of this machine or its network`, {
      details: { url: first, address: at },
    });
  }
}

async function getOrNothing(url: string, options: FetchOptions): Promise<WebAnswer | undefined> {
  const { lookup, types, allowPrivate, signal } = options;
  try {
    return await lookup.get(url, { maxBytes: MAX_BYTES, accept: types.join(", "), publicOnly: !allowPrivate, signal });
  } catch (error) {
    if (error instanceof AntsError && error.code === "host-unknown") return undefined;
    throw error;
  }
}

function read(url: string, { status, type, body, maxAgeMs }: WebAnswer, types: readonly string[]): Fetched {
  if (status === 404 || status === 410) return { answer: "nothing", why: `status ${status}` };
  if (status !== 200) {
    throw new AntsError("web-status", `${url} answers with status ${status}`, { details: { url, status } });
  }
  if (!types.includes(type)) {
    const came = type === "" ? "nothing that it names" : type;
    throw new AntsError("web-content-type", `${url}: expected ${types.join(" or ")}, got ${came}`, {
      details: { url, type },
    });
  }
  return { answer: "body", body, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
}

function nextPlace(at: string, location: string | undefined): string {
  try {
    const next = new URL(location!, at);
    next.hash = "";
    return next.href;
  } catch (cause) {
    throw new AntsError("web-redirect", `${at} redirects to nowhere`, { cause, details: { url: at } });
  }
}

function redirect(url: string, to: string, how: string): AntsError {
  return new AntsError("web-redirect", `${url} leads to ${to} ${how}`, { details: { url, to } });
}
