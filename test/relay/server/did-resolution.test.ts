import { startTestRelay, type TestRelay } from "ants-agent/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { NamedAuthor } from "./named-author.js";

const OLD_RESULT = 'application/ld+json;profile="https://w3id.org/did-resolution"';
const NOBODY = `did:ants:${"a".repeat(52)}`;

let relay: TestRelay;
const scout = new NamedAuthor({ handles: ["scout.example.com"] });
const ended = new NamedAuthor();
const disputed = new NamedAuthor();

beforeAll(async () => {
  relay = await startTestRelay();
  scout.update({ handles: [] });
  ended.deactivate();
  for (const handles of [["one.example"], ["two.example"]]) disputed.update({ handles }, disputed.operations[0]!);
  for (const { operations } of [scout, ended, disputed]) {
    const lines = operations.map(({ line }) => line);
    const frame = encodeFrame({ t: "publish", ref: 1, epoch: 1 }, lines) as Uint8Array<ArrayBuffer>;
    expect((await fetch(`${relay.httpUrl}/entries`, { method: "POST", body: frame })).status).toBe(200);
  }
});

afterAll(async () => {
  await relay.close();
});

async function ask(did: string, accept?: string) {
  const headers = accept === undefined ? {} : { headers: { accept } };
  const response = await fetch(`${relay.httpUrl}/1.0/identifiers/${did}`, headers);
  const body = (await response.json()) as {
    "@context"?: string;
    id?: string;
    didResolutionMetadata: { error?: { type: string } | string; contentType?: string };
    didDocument: { id: string } | null;
    didDocumentMetadata: Record<string, unknown>;
  };
  return { status: response.status, type: response.headers.get("content-type"), body, headers: response.headers };
}

describe("what comes back for a DID that is here", () => {
  test.each([
    ["nothing", undefined, "application/did-resolution", "application/did"],
    ["anything", "*/*", "application/did-resolution", "application/did"],
    ["the result", "application/did-resolution", "application/did-resolution", "application/did"],
    ["plain JSON", "application/json", "application/json", "application/did"],
    ["the result of old", OLD_RESULT, OLD_RESULT, "application/did+ld+json"],
    ["JSON-LD of whatever profile", "application/ld+json", OLD_RESULT, "application/did+ld+json"],
  ])("to whoever asks for %s: the whole result", async (_, accept, type, contentType) => {
    const answer = await ask(scout.did, accept);
    expect([answer.status, answer.type]).toEqual([200, type]);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.body).toMatchObject({
      didResolutionMetadata: { contentType },
      didDocument: { id: scout.did },
      didDocumentMetadata: { versionId: scout.newest.hash },
    });
    expect(answer.body["@context"]).toBe(type === OLD_RESULT ? "https://w3id.org/did-resolution/v1" : undefined);
  });

  test.each(["application/did", "application/did+ld+json", "application/did+json"])(
    "to whoever asks for %s: the document alone",
    async (type) => {
      const answer = await ask(scout.did, type);
      expect([answer.status, answer.type]).toEqual([200, type]);
      expect(answer.body).toMatchObject({
        "@context": ["https://www.w3.org/ns/did/v1", expect.any(String)],
        id: scout.did,
      });
    },
  );

  test("is chosen by quality, then by what is named first", async () => {
    expect((await ask(scout.did, "application/did;q=0.5, application/did+json")).type).toBe("application/did+json");
    expect((await ask(scout.did, "text/html, application/did+json, application/did")).type).toBe(
      "application/did+json",
    );
    expect((await ask(scout.did, "application/did;q=0, */*;q=0.1")).type).toBe("application/did-resolution");
  });

  test("may be an earlier version", async () => {
    const [genesis] = scout.operations;
    const { status, body } = await ask(`${scout.did}?versionId=${genesis!.hash}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      didDocument: { alsoKnownAs: ["https://scout.example.com"] },
      didDocumentMetadata: { versionId: genesis!.hash, nextVersionId: scout.newest.hash },
    });
  });

  test("is the last that was agreed on where updates clash, and says so", async () => {
    const { status, body } = await ask(disputed.did);
    expect(status).toBe(200);
    expect(body.didDocument).not.toHaveProperty("alsoKnownAs");
    expect(body.didDocumentMetadata.contested).toEqual(
      disputed.operations
        .slice(1)
        .map(({ hash }) => hash)
        .sort(),
    );
  });

  test.each([undefined, "application/did", "application/did+json", OLD_RESULT])(
    "is no document where it was deactivated (Accept: %s)",
    async (accept) => {
      const { status, body } = await ask(ended.did, accept);
      expect(status).toBe(410);
      expect(body).toMatchObject({ didDocument: null, didDocumentMetadata: { deactivated: true } });
    },
  );
});

describe("errors", () => {
  test.each([
    ["what is no DID", "hello", 400, "INVALID_DID", "invalidDid"],
    ["a DID of ours that is none", "did:ants:abc", 400, "INVALID_DID", "invalidDid"],
    ["a DID URL", `${NOBODY}%23key`, 400, "INVALID_DID", "invalidDid"],
    ["a DID that is not here", NOBODY, 404, "NOT_FOUND", "notFound"],
    ["another method", "did:unsupported:123456789abcdefghi", 501, "METHOD_NOT_SUPPORTED", "methodNotSupported"],
    ["a version that never was", "SCOUT?versionId=HASH", 404, "NOT_FOUND", "notFound"],
    ["a version that is no hash", "SCOUT?versionId=2", 400, "INVALID_OPTIONS", "invalidOptions"],
    ["an option that is no boolean", "SCOUT?noCache=maybe", 400, "INVALID_OPTIONS", "invalidOptions"],
    ["an option that is there twice", "SCOUT?noCache=true&noCache=true", 400, "INVALID_OPTIONS", "invalidOptions"],
    ["a time", "SCOUT?versionTime=2026-01-01T00:00:00Z", 501, "FEATURE_NOT_SUPPORTED", "featureNotSupported"],
    ["an unknown option", "SCOUT?service=files", 501, "FEATURE_NOT_SUPPORTED", "featureNotSupported"],
  ])("%s (%s) is %d %s", async (_, path, status, type, old) => {
    const did = path.replace("SCOUT", scout.did).replace("HASH", "0".repeat(64));
    for (const accept of [undefined, "application/did-resolution", "application/did"]) {
      const now = await ask(did, accept);
      expect([now.status, now.type]).toEqual([status, "application/did-resolution"]);
      expect(now.body).toEqual({
        didResolutionMetadata: {
          error: {
            type: `https://www.w3.org/ns/did#${type}`,
            title: expect.stringMatching(/./),
            detail: expect.stringMatching(/./),
          },
        },
        didDocument: null,
        didDocumentMetadata: {},
      });
    }
    for (const accept of [OLD_RESULT, "application/did+ld+json", "application/did+json"]) {
      const before = await ask(did, accept);
      expect([before.status, before.type]).toEqual([status, OLD_RESULT]);
      expect(before.body).toMatchObject({ didResolutionMetadata: { error: old }, didDocument: null });
    }
  });

  test("nothing that is acceptable is 406", async () => {
    const { status, type, body } = await ask(scout.did, "text/html, application/xml;q=0.9");
    expect([status, type]).toEqual([406, "application/did-resolution"]);
    expect(body.didResolutionMetadata.error).toMatchObject({
      type: "https://www.w3.org/ns/did#REPRESENTATION_NOT_SUPPORTED",
    });
  });

  test("options that change nothing here are taken", async () => {
    expect((await ask(`${scout.did}?expandRelativeUrls=true&noCache=true`)).status).toBe(200);
  });

  test("only GET is there", async () => {
    const response = await fetch(`${relay.httpUrl}/1.0/identifiers/${scout.did}`, { method: "POST", body: "{}" });
    expect(response.status).toBe(405);
  });
});
