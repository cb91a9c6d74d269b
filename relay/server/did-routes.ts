/** DID Resolution by HTTP: the binding of W3C DID Resolution, and the older one that universal resolvers speak. */
import { isDid } from "../../keys/did.js";
import { isAntsError } from "../../keys/errors.js";
import {
  DID_TYPE,
  type DidResolutionResult,
  didResolution,
  didStatus,
  inOldForm,
  noDocument,
} from "../../src/protocol/did-resolution.js";
import { preferredType } from "./accept.js";
import type { Exchange, Route } from "./exchange.js";
import { reply } from "./http-reply.js";

/** The grammar of W3C DID Core, section 3.1. */
const ANY_DID = /^did:([a-z0-9]+):(?:(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})*:)*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+$/;
const VERSION_ID = /^[0-9a-f]{64}$/;

const RESULT_TYPE = "application/did-resolution";
const OLD_RESULT_TYPE = 'application/ld+json;profile="https://w3id.org/did-resolution"';
/** The first is what those get who don't say what they want. */
const OFFERS = [
  RESULT_TYPE,
  OLD_RESULT_TYPE,
  DID_TYPE,
  "application/did+ld+json",
  "application/did+json",
  "application/json",
] as const;
type Offer = (typeof OFFERS)[number];
/** Those whose clients know errors by name only. */
const OLD: ReadonlySet<Offer> = new Set([OLD_RESULT_TYPE, "application/did+ld+json", "application/did+json"]);

/** Operations read and verified in one turn: some milliseconds. */
const OPERATIONS_A_TURN = 64;
/** Turns for one answer. A log of more operations than these is nobody's honest one: a client reads it itself. */
const MAX_TURNS = 64;

export const didRoutes: readonly Route[] = [{ method: "GET", path: /^\/1\.0\/identifiers\/(.+)$/, handle: resolve }];

async function resolve(exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  response.setHeader("vary", "accept");
  const type = preferredType(request.headers.accept, OFFERS) as Offer | undefined;
  if (type === undefined) {
    const error = noDocument("representation-not-supported", `expected one of ${OFFERS.join(", ")} to be acceptable`);
    await answer(exchange, RESULT_TYPE, error);
    return;
  }
  await answer(exchange, type, await resolutionFor(exchange, type));
}

/** A document where one was asked for and there is one, else the whole result. */
async function answer(exchange: Exchange, type: Offer, result: DidResolutionResult): Promise<void> {
  const status = didStatus(result);
  const wantsDocument = type.startsWith("application/did") && type !== RESULT_TYPE;
  if (wantsDocument && status === 200) {
    await reply(exchange, status, type, `${JSON.stringify(result.didDocument)}\n`);
    return;
  }
  const whole = OLD.has(type) ? inOldForm(result) : result;
  const sent = wantsDocument ? (OLD.has(type) ? OLD_RESULT_TYPE : RESULT_TYPE) : type;
  await reply(exchange, status, sent, `${JSON.stringify(whole)}\n`);
}

async function resolutionFor(exchange: Exchange, type: Offer): Promise<DidResolutionResult> {
  const { url, params, context } = exchange;
  const did = params[0]!;
  const [, method] = ANY_DID.exec(did) ?? [];
  const shown = JSON.stringify(did.slice(0, 80));
  if (method === undefined)
    return noDocument("invalid-did", `expected a DID without path, query and fragment, got ${shown}`);
  if (method !== "ants") return noDocument("method-not-supported", `this relay resolves did:ants, not did:${method}`);
  if (!isDid(did))
    return noDocument("invalid-did", `expected did:ants: and 52 characters of a–z and 2–7, got ${shown}`);
  const wrong = optionError(url.searchParams);
  if (wrong !== undefined) return wrong;
  try {
    if (!(await hasRead(exchange, did))) {
      const detail = "its log is longer than what one answer takes in";
      return noDocument("feature-not-supported", `${detail}: read /agents/${did}/identity and resolve it yourself`);
    }
    const resolution = context.folder.identity(did) ?? { status: "not-found", did };
    const versionId = url.searchParams.get("versionId");
    return didResolution(resolution, {
      ...(OLD.has(type) ? { contentType: type === OLD_RESULT_TYPE ? "application/did+ld+json" : type } : {}),
      ...(versionId === null ? {} : { versionId }),
    });
  } catch (error) {
    context.onFault(error);
    return noDocument("internal-error", isAntsError(error) ? error.message : "the relay could not resolve this DID");
  }
}

/** Brings the agent's operations into memory, in turns with others. False where that is no end. */
async function hasRead({ context, address }: Exchange, did: string): Promise<boolean> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    await context.turns.next(address);
    if (context.folder.readOperations(did, OPERATIONS_A_TURN) === 0) return true;
  }
  return false;
}

/**
 * Ids are absolute here, and nothing is cached, so two options change nothing. A time would be an author's word about
 * its own clock: versions go by their id alone.
 */
function optionError(options: URLSearchParams): DidResolutionResult | undefined {
  for (const name of new Set(options.keys())) {
    const [value, ...more] = options.getAll(name);
    if (more.length > 0)
      return noDocument("invalid-options", `the option ${name.slice(0, 40)} is there more than once`);
    switch (name) {
      case "expandRelativeUrls":
      case "noCache":
        if (value !== "true" && value !== "false") return noDocument("invalid-options", `${name} is true or false`);
        break;
      case "versionId":
        if (!VERSION_ID.test(value!)) {
          return noDocument(
            "invalid-options",
            "versionId is the hash of an operation, 64 lower-case hexadecimal digits",
          );
        }
        break;
      case "versionTime":
        return noDocument("feature-not-supported", "no clock orders the versions of a did:ants: use versionId");
      default:
        return noDocument("feature-not-supported", `this relay has no option ${JSON.stringify(name.slice(0, 40))}`);
    }
  }
  return undefined;
}
