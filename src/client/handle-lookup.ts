import { isAntsError } from "../../keys/errors.js";
import type { Handle } from "../../keys/identity/handle.js";
import { requestTimeout } from "./connection-errors.js";
import { withDeadline } from "./deadline.js";
import { type Hint, readHint, readJrd } from "./handle-hint.js";
import type { Asked, AskedPlace } from "./resolved-agent.js";
import { type FetchOptions, fetchDocument, isLoopback } from "./web-fetch.js";

export type LookupOptions = Omit<FetchOptions, "types">;

/** What those who can say whose a handle is have said. */
export type HandleAnswer = { readonly asked: readonly Asked[] } & (
  | { readonly answer: "hint"; readonly hint: Hint; readonly maxAgeMs?: number }
  | { readonly answer: "nothing"; readonly why: string }
  | { readonly answer: "failed"; readonly why: string }
);

/** What one place said. */
type PlaceAnswer = { readonly asked: Asked; readonly hint?: Hint; readonly maxAgeMs?: number };

const JRD_TYPES = ["application/jrd+json", "application/json"];
const TEXT_TYPES = ["text/plain"];

/**
 * Asks whose a handle is: the host of `name@host` by WebFinger, for a domain the DNS (TXT of `_ants.<domain>`) and,
 * where that has no hint, the domain's own /.well-known/ants-did. `nothing` only where all of them said so. Rejects only
 * with the signal's reason.
 */
export async function lookUpHandle(text: string, handle: Handle, options: LookupOptions): Promise<HandleAnswer> {
  const asked: Asked[] = [];
  for (const ask of handle.kind === "account" ? [askWebFinger] : [askTexts, askWellKnown]) {
    const said = await ask(text, handle, options);
    asked.push(said.asked);
    if (said.hint !== undefined) {
      const { hint, maxAgeMs } = said;
      return { asked, answer: "hint", hint, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
    }
  }
  if (asked.every(({ answer }) => answer === "nothing")) {
    return { asked, answer: "nothing", why: `whoever could say whose ${text} is says that it is nobody's` };
  }
  return { asked, answer: "failed", why: `not everyone who could say whose ${text} is answered` };
}

function askWebFinger(text: string, { host, ...handle }: Handle, options: LookupOptions): Promise<PlaceAnswer> {
  const port = "port" in handle && handle.port !== undefined ? `:${handle.port}` : "";
  const resource = encodeURIComponent(`acct:${text}`);
  const url = `${origin(`${host}${port}`, options)}/.well-known/webfinger?resource=${resource}`;
  return askWeb("webfinger", url, JRD_TYPES, options, (document) => readJrd(document, url));
}

function askWellKnown(_: string, { host }: Handle, options: LookupOptions): Promise<PlaceAnswer> {
  const url = `${origin(host, options)}/.well-known/ants-did`;
  return askWeb("well-known", url, TEXT_TYPES, options, (document) => readHint(document.split("\n"), url));
}

async function askTexts(_: string, { host }: Handle, options: LookupOptions): Promise<PlaceAnswer> {
  const { lookup, clock, timeoutMs, signal } = options;
  const name = `_ants.${host}`;
  const at = { place: "dns", address: name } as const;
  const late = () => requestTimeout(`the DNS at ${name}`, timeoutMs);
  try {
    const said = await withDeadline(clock, timeoutMs, signal, late, (signal) => lookup.texts(name, signal));
    if (said.answer === "unsupported")
      return { asked: { ...at, answer: "not-asked", why: "no DNS can be asked here" } };
    if (said.answer === "nothing") return { asked: { ...at, answer: "nothing", why: said.why } };
    return heard(at, readHint(said.records, `the DNS at ${name}`), "no TXT record with did=did:ants:…");
  } catch (error) {
    return failed(at, error, signal);
  }
}

async function askWeb(
  place: AskedPlace,
  url: string,
  types: readonly string[],
  options: LookupOptions,
  read: (document: string) => Hint | undefined,
): Promise<PlaceAnswer> {
  const at = { place, address: url } as const;
  try {
    const fetched = await fetchDocument(url, { ...options, types });
    if (fetched.answer === "nothing") return { asked: { ...at, answer: "nothing", why: fetched.why } };
    const { body, maxAgeMs } = fetched;
    const said = heard(at, read(new TextDecoder().decode(body)), "it names no did:ants");
    return { ...said, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
  } catch (error) {
    return failed(at, error, options.signal);
  }
}

function heard(at: Pick<Asked, "place" | "address">, hint: Hint | undefined, why: string): PlaceAnswer {
  if (hint === undefined) return { asked: { ...at, answer: "nothing", why } };
  const { dids, relays } = hint;
  const [did] = dids;
  if (dids.length > 1) return { asked: { ...at, answer: "several", dids }, hint };
  return { asked: { ...at, answer: "did", did: did!, relays }, hint };
}

function failed(at: Pick<Asked, "place" | "address">, error: unknown, signal: AbortSignal): PlaceAnswer {
  if (signal.aborted) throw signal.reason;
  if (!isAntsError(error)) throw error;
  return { asked: { ...at, answer: "failed", code: error.code, message: error.message } };
}

/** By https; a host that is this machine speaks without TLS, where it may be asked at all. */
function origin(host: string, { allowPrivate }: LookupOptions): string {
  const plain = `http://${host}`;
  return allowPrivate && isLoopback(plain) ? plain : `https://${host}`;
}
