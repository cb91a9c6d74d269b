import { describe, expect, test } from "vitest";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { resolveIdentity } from "../../keys/identity/resolve.js";
import {
  type DidErrorKind,
  didResolution,
  didStatus,
  inOldForm,
  noDocument,
} from "../../src/protocol/did-resolution.js";
import { deactivate, genesis, rotate, update } from "../keys/identity/agent.js";

const plain = genesis({ timeMs: 1_800_000_000_123 });
const first = update(plain, { changes: { handles: ["scout@a.example"] }, timeMs: 1_800_000_001_999 });
const second = update(first, { changes: { handles: [] }, timeMs: 1_800_000_002_000 });
const clash = update(plain, { changes: { handles: ["other@a.example"] } });

function resolved(...operations: ParsedOperation[]) {
  return resolveIdentity(plain.did, operations);
}

describe("the result of a resolution", () => {
  test("holds the document, its media type, its version and its times to the second", () => {
    expect(didResolution(resolved(plain, first))).toEqual({
      didResolutionMetadata: { contentType: "application/did" },
      didDocument: expect.objectContaining({ id: plain.did, alsoKnownAs: ["acct:scout@a.example"] }),
      didDocumentMetadata: {
        created: "2027-01-15T08:00:00Z",
        updated: "2027-01-15T08:00:01Z",
        versionId: first.hash,
      },
    });
  });

  test("a genesis was never updated", () => {
    expect(didResolution(resolved(plain)).didDocumentMetadata).toEqual({
      created: "2027-01-15T08:00:00Z",
      versionId: plain.hash,
    });
  });

  test("an earlier version says which one follows", () => {
    const result = didResolution(resolved(plain, first, second), { versionId: first.hash });
    expect(result.didDocument?.alsoKnownAs).toEqual(["acct:scout@a.example"]);
    expect(result.didDocumentMetadata).toEqual({
      created: "2027-01-15T08:00:00Z",
      updated: "2027-01-15T08:00:01Z",
      nextUpdate: "2027-01-15T08:00:02Z",
      versionId: first.hash,
      nextVersionId: second.hash,
    });
  });

  test("a version that is not on the path is not found", () => {
    const result = didResolution(resolved(plain, first), { versionId: clash.hash });
    expect(result.didResolutionMetadata.error).toMatchObject({ type: "https://www.w3.org/ns/did#NOT_FOUND" });
    expect(didStatus(result)).toBe(404);
  });

  test("a time that no calendar has is left out", () => {
    const far = genesis({ timeMs: Number.MAX_SAFE_INTEGER });
    expect(didResolution(resolveIdentity(far.did, [far])).didDocumentMetadata).toEqual({ versionId: far.hash });
  });

  test("deactivated: no document, and metadata that say so", () => {
    const end = deactivate(first, 0);
    const result = didResolution(resolved(plain, first, end));
    expect(result.didDocument).toBeNull();
    expect(result.didDocumentMetadata).toMatchObject({ deactivated: true, versionId: end.hash });
    expect(didStatus(result)).toBe(410);
  });

  test("contested: the document of the state that is held on to, and the branches", () => {
    const contested = resolveIdentity(plain.did, [plain, first, clash], { pinned: first.hash });
    const result = didResolution(resolved(plain, first, clash));
    expect(result.didDocument?.alsoKnownAs).toBeUndefined();
    expect(result.didDocumentMetadata.contested).toEqual([first.hash, clash.hash].sort());
    expect(didResolution(contested).didDocument?.alsoKnownAs).toEqual(["acct:scout@a.example"]);
  });

  test("rivals: none without a first one, else they are told beside the document", () => {
    const rivals = [rotate(first, 0), rotate(first, 0, { letter: "b" })];
    const conflicted = didResolution(resolved(plain, first, ...rivals));
    expect(conflicted.didDocument).toBeNull();
    expect(conflicted.didResolutionMetadata.error).toMatchObject({
      code: "identity-conflicted",
      rivals: rivals.map(({ hash }) => hash).sort(),
    });
    const pinned = resolveIdentity(plain.did, [plain, first, ...rivals], { pinned: rivals[1]!.hash });
    expect(didResolution(pinned).didDocumentMetadata.rivals).toEqual([rivals[0]!.hash]);
  });

  test("nothing known: not found", () => {
    const result = didResolution(resolved());
    expect([didStatus(result), result.didDocument, result.didDocumentMetadata]).toEqual([404, null, {}]);
  });
});

describe("errors of DID Resolution", () => {
  test.each<readonly [DidErrorKind, string, string, number]>([
    ["invalid-did", "INVALID_DID", "invalidDid", 400],
    ["invalid-options", "INVALID_OPTIONS", "invalidOptions", 400],
    ["not-found", "NOT_FOUND", "notFound", 404],
    ["representation-not-supported", "REPRESENTATION_NOT_SUPPORTED", "representationNotSupported", 406],
    ["method-not-supported", "METHOD_NOT_SUPPORTED", "methodNotSupported", 501],
    ["feature-not-supported", "FEATURE_NOT_SUPPORTED", "featureNotSupported", 501],
    ["internal-error", "INTERNAL_ERROR", "internalError", 500],
  ])("%s is %s now, %s before, and status %d", (kind, type, old, status) => {
    const result = noDocument(kind, "why");
    const error = { type: `https://www.w3.org/ns/did#${type}`, title: expect.any(String), detail: "why" };
    expect(result).toEqual({ didResolutionMetadata: { error }, didDocument: null, didDocumentMetadata: {} });
    const before = inOldForm(result);
    expect(before.didResolutionMetadata).toEqual({ error: old, problemDetails: error });
    expect(before["@context"]).toBe("https://w3id.org/did-resolution/v1");
    expect([didStatus(result), didStatus(before)]).toEqual([status, status]);
  });

  test("a result without an error is the same in both forms", () => {
    const result = didResolution(resolved(plain));
    expect(inOldForm(result)).toEqual({ "@context": "https://w3id.org/did-resolution/v1", ...result });
  });
});
