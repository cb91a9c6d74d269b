/** The result of W3C DID Resolution, in its present form and in that of DID Core 1.0. */
import type { Resolution } from "../../keys/identity/resolve.js";
import type { IdentityState } from "../../keys/identity/state.js";
import { type DidDocument, didDocument } from "./did-document.js";
import { isoTime } from "./iso-time.js";

/** Branches and rivals that metadata name: as many as one settlement may. */
const MAX_NAMED = 16;
const ERROR_NAMESPACE = "https://www.w3.org/ns/did#";

/** Each error of DID Resolution: its type, its name in DID Core 1.0, its title, its status over HTTP. */
const DID_ERRORS = {
  "invalid-did": { type: "INVALID_DID", old: "invalidDid", title: "Invalid DID", status: 400 },
  "invalid-options": { type: "INVALID_OPTIONS", old: "invalidOptions", title: "Invalid options", status: 400 },
  "not-found": { type: "NOT_FOUND", old: "notFound", title: "Not found", status: 404 },
  "representation-not-supported": {
    type: "REPRESENTATION_NOT_SUPPORTED",
    old: "representationNotSupported",
    title: "Representation not supported",
    status: 406,
  },
  "method-not-supported": {
    type: "METHOD_NOT_SUPPORTED",
    old: "methodNotSupported",
    title: "Method not supported",
    status: 501,
  },
  "feature-not-supported": {
    type: "FEATURE_NOT_SUPPORTED",
    old: "featureNotSupported",
    title: "Feature not supported",
    status: 501,
  },
  "internal-error": { type: "INTERNAL_ERROR", old: "internalError", title: "Internal error", status: 500 },
} as const;

export type DidErrorKind = keyof typeof DID_ERRORS;

/** An error as RFC 9457 says it; members beyond its three are facts for programs. */
export interface DidProblem {
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly [fact: string]: unknown;
}

export interface DidResolutionMetadata {
  /** Media type of the document. */
  readonly contentType?: string;
  /** A name in the form of DID Core 1.0. */
  readonly error?: DidProblem | string;
  /** Beside an error that is only a name. */
  readonly problemDetails?: DidProblem;
}

export interface DidDocumentMetadata {
  /** The author's clock, to the second. Advisory, as all times here. */
  readonly created?: string;
  readonly updated?: string;
  readonly nextUpdate?: string;
  /** Hash of the identity operation that the document comes from. */
  readonly versionId?: string;
  readonly nextVersionId?: string;
  readonly deactivated?: boolean;
  /** Updates clash; these are the heads of the branches. The document is of the state before the clash, or the pinned. */
  readonly contested?: readonly string[];
  /** Rotates or deactivates that did not count, since another one of their era was held first. */
  readonly rivals?: readonly string[];
}

/** What resolving a DID gives: with an error there is no document and nothing about it. */
export interface DidResolutionResult {
  /** In the form of DID Core 1.0 only. */
  readonly "@context"?: string;
  readonly didResolutionMetadata: DidResolutionMetadata;
  readonly didDocument: DidDocument | null;
  readonly didDocumentMetadata: DidDocumentMetadata;
}

/** The media type of the document unless another was asked for. */
export const DID_TYPE = "application/did";

/**
 * What a resolved identity is in the words of W3C DID Resolution. Deactivated: no document, and metadata that say so.
 * Contested: the document of the state that is held on to, and a note. Conflicted: no document, and an error with
 * `code` "identity-conflicted" and the rivals.
 *
 * @param versionId hash of an operation on the path: the document as of then. One that isn't there is "not-found"
 */
export function didResolution(
  resolution: Resolution,
  { contentType = DID_TYPE, versionId }: { readonly contentType?: string; readonly versionId?: string } = {},
): DidResolutionResult {
  if (resolution.status === "not-found") return noDocument("not-found", `nothing is known of ${resolution.did}`);
  if (resolution.status === "conflicted") {
    return noDocument("internal-error", "rotates of one era clash, and nothing tells which came first", {
      code: "identity-conflicted",
      rivals: resolution.rivals.slice(0, MAX_NAMED),
    });
  }
  const { state } = resolution;
  if (resolution.status === "deactivated") {
    return {
      didResolutionMetadata: {},
      didDocument: null,
      didDocumentMetadata: { ...timesOf(state, state.operations.length - 1), deactivated: true },
    };
  }
  const at = versionId === undefined ? state.operations.length - 1 : indexOf(state, versionId);
  const operation = state.operations[at];
  if (operation === undefined) {
    return noDocument("not-found", `${state.did} has no version ${versionId!.slice(0, 80)}`);
  }
  const rivals = state.sides.flatMap(({ op, hash }) => (op.op === "update" ? [] : [hash]));
  return {
    didResolutionMetadata: { contentType },
    didDocument: didDocument({ ...state, head: operation }),
    didDocumentMetadata: {
      ...timesOf(state, at),
      ...(resolution.status === "contested" ? { contested: resolution.branches.slice(0, MAX_NAMED) } : {}),
      ...(rivals.length === 0 ? {} : { rivals: rivals.slice(0, MAX_NAMED) }),
    },
  };
}

/** A result that says why there is no document. `facts` must not be called type, title or detail. */
export function noDocument(
  kind: DidErrorKind,
  detail: string,
  facts: Readonly<Record<string, unknown>> = {},
): DidResolutionResult {
  const { type, title } = DID_ERRORS[kind];
  const error = { ...facts, type: `${ERROR_NAMESPACE}${type}`, title, detail };
  return { didResolutionMetadata: { error }, didDocument: null, didDocumentMetadata: {} };
}

/** The HTTP status that goes with a result: 200, that of its error, 410 for what was deactivated. */
export function didStatus({ didResolutionMetadata, didDocumentMetadata }: DidResolutionResult): number {
  const { error } = didResolutionMetadata;
  if (error !== undefined) {
    const row = Object.values(DID_ERRORS).find(({ type, old }) =>
      typeof error === "string" ? error === old : error.type === ERROR_NAMESPACE + type,
    );
    return row?.status ?? 500;
  }
  return didDocumentMetadata.deactivated === true ? 410 : 200;
}

/** The same result for those who ask in the words of DID Core 1.0: its error is a name, the rest is beside it. */
export function inOldForm(result: DidResolutionResult): DidResolutionResult {
  const { error } = result.didResolutionMetadata;
  const context = { "@context": "https://w3id.org/did-resolution/v1" };
  if (error === undefined || typeof error === "string") return { ...context, ...result };
  const row = Object.values(DID_ERRORS).find(({ type }) => error.type === ERROR_NAMESPACE + type);
  const name = row?.old ?? DID_ERRORS["internal-error"].old;
  return { ...context, ...result, didResolutionMetadata: { error: name, problemDetails: error } };
}

function indexOf({ operations }: IdentityState, hash: string): number {
  return operations.findIndex((operation) => operation.hash === hash);
}

function timesOf({ operations }: IdentityState, at: number): DidDocumentMetadata {
  const next = operations[at + 1];
  const times = {
    created: toTheSecond(operations[0]!.op.time),
    updated: at === 0 ? undefined : toTheSecond(operations[at]!.op.time),
    nextUpdate: next === undefined ? undefined : toTheSecond(next.op.time),
  };
  const known = Object.entries(times).filter(([, time]) => time !== undefined);
  return {
    ...(Object.fromEntries(known) as Partial<Record<keyof typeof times, string>>),
    versionId: operations[at]!.hash,
    ...(next === undefined ? {} : { nextVersionId: next.hash }),
  };
}

/** XML Schema dateTime in UTC without fractions, as DID Core 7.1.3 demands. */
function toTheSecond(timeMs: number): string | undefined {
  return isoTime(timeMs)?.replace(/\.\d+Z$/, "Z");
}
