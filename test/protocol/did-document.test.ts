/**
 * Checks of the data model of W3C DID Core 1.0 (REC 2022-07-19), one row for each statement that a document can meet or
 * miss. The checks are written from the recommendation's words, not from the code, and run on raw JSON.
 */
import { describe, expect, test } from "vitest";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { type IdentityState, resolveIdentity } from "../../keys/identity/resolve.js";
import { decodeMultikey, encodeMultikey } from "../../keys/multikey.js";
import { didDocument } from "../../src/protocol/did-document.js";
import { deactivate, genesis, keyOf, relay, rotate, secret, update } from "../keys/identity/agent.js";

type Json = Record<string, unknown>;
type Method = { id: string; type: string; controller: string; publicKeyMultibase: string };
type Service = { id: string; type: unknown; serviceEndpoint: unknown };

const DID = /^did:[a-z0-9]+:(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}|:)*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})$/;
/** did-url of 3.2 with a fragment of RFC 3986. */
const DID_URL =
  /^did:[a-z0-9]+:[A-Za-z0-9._%:-]+(?:\/[^?#]*)?(?:\?[^#]*)?(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$/;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$/;
const CORE_PROPERTIES = [
  "@context",
  "id",
  "alsoKnownAs",
  "controller",
  "verificationMethod",
  "authentication",
  "assertionMethod",
  "keyAgreement",
  "capabilityInvocation",
  "capabilityDelegation",
  "service",
];
const RELATIONSHIPS = CORE_PROPERTIES.slice(5, 10);

function stateOf(...operations: ParsedOperation[]): IdentityState {
  const resolution = resolveIdentity(operations[0]!.did, operations);
  if (resolution.status === "not-found" || resolution.status === "conflicted") throw new Error(resolution.status);
  return resolution.state;
}

const plain = genesis();
const two = genesis({
  signSeeds: [secret("hot 0"), secret("second")],
  handles: ["scout@relay.example", "scout@relay.example:8443", "scout.example.com"],
  services: [
    { id: "site", type: "LinkedDomains", endpoint: "https://scout.example.com/" },
    { id: "mail", type: "Mail", endpoint: "mailto:scout@example.com" },
  ],
});
const shadowing = genesis({ services: [{ id: keyOf("hot 0"), type: "Trick", endpoint: "https://thief.example" }] });
const moved = update(plain, { changes: { relays: [relay("d")], handles: ["scout@d.example"] } });
const turned = rotate(moved, 0);
const contested = [plain, update(plain, { changes: { handles: ["a@a.example"] } }), update(plain)];

const CASES: readonly (readonly [string, IdentityState])[] = [
  ["a genesis", stateOf(plain)],
  ["two keys, handles and services", stateOf(two)],
  ["no relay", stateOf(genesis({ relays: [] }))],
  ["a service with the name of a key", stateOf(shadowing)],
  ["after an update", stateOf(plain, moved)],
  ["after a rotate", stateOf(plain, moved, turned)],
  ["a contest", stateOf(...contested)],
  ["a deactivated identity", stateOf(plain, deactivate(plain, 0))],
];

/** Section, statement, whether a document meets it. */
const STATEMENTS: readonly (readonly [string, string, (doc: Json) => boolean])[] = [
  ["4", "a document is a map whose entries have string keys", (doc) => doc !== null && !Array.isArray(doc)],
  [
    "4",
    "no property is there without a value",
    (doc) => Object.values(doc).every((v) => v !== null && v !== undefined),
  ],
  [
    "4",
    "every property is a registered one",
    (doc) => Object.keys(doc).every((name) => CORE_PROPERTIES.includes(name)),
  ],
  ["5.1.1", "id is there, in the topmost map", (doc) => typeof doc.id === "string"],
  ["3.1", "id conforms to the DID syntax", (doc) => DID.test(String(doc.id))],
  [
    "5.1.2",
    "controller, if there, is a DID or a set of DIDs",
    (doc) => doc.controller === undefined || [doc.controller].flat().every((one) => DID.test(String(one))),
  ],
  ["5.1.3", "alsoKnownAs, if there, is a set", (doc) => doc.alsoKnownAs === undefined || isSet(doc.alsoKnownAs)],
  [
    "5.1.3",
    "each item of alsoKnownAs is a URI",
    (doc) => list(doc.alsoKnownAs).every((item) => URI.test(String(item))),
  ],
  ["5.2", "verificationMethod, if there, is a set of maps", (doc) => list(doc.verificationMethod).every(isMap)],
  [
    "5.2",
    "each verification method has id, type and controller",
    (doc) => methods(doc).every((m) => [m.id, m.type, m.controller].every((value) => typeof value === "string")),
  ],
  ["5.2", "its id conforms to the DID URL syntax", (doc) => methods(doc).every(({ id }) => DID_URL.test(id))],
  ["5.2", "its type is exactly one string", (doc) => methods(doc).every(({ type }) => typeof type === "string")],
  ["5.2", "its controller is a DID", (doc) => methods(doc).every(({ controller }) => DID.test(controller))],
  ["5.2", "no two verification methods have one id", (doc) => isSet(methods(doc).map(({ id }) => id))],
  [
    "5.2.1",
    "key material stands in publicKeyMultibase or publicKeyJwk, never in both",
    (doc) => methods(doc).every((m) => typeof m.publicKeyMultibase === "string" && !("publicKeyJwk" in m)),
  ],
  [
    "5.2.1",
    "publicKeyMultibase is a multibase text of the key",
    (doc) =>
      methods(doc).every(({ publicKeyMultibase: text }) => {
        const { type, publicKey } = decodeMultikey(text);
        return encodeMultikey(publicKey, type) === text;
      }),
  ],
  [
    "5.2.1",
    "a verification method holds no private key",
    (doc) => methods(doc).every((m) => Object.keys(m).every((name) => !/private|secret|^d$/i.test(name))),
  ],
  ["5.3", "a verification relationship, if there, is a set", (doc) => RELATIONSHIPS.every((r) => isSet(list(doc[r])))],
  [
    "5.3",
    "what a relationship refers to is a DID URL of a verification method of the document",
    (doc) => RELATIONSHIPS.every((r) => list(doc[r]).every((id) => methods(doc).some((method) => method.id === id))),
  ],
  [
    "5.3.3",
    "keyAgreement names keys that agree, and no key that signs",
    (doc) => list(doc.keyAgreement).every((id) => typeOf(doc, id) === "x25519"),
  ],
  [
    "5.3.1",
    "authentication, assertionMethod and capabilityInvocation name keys that sign",
    (doc) =>
      ["authentication", "assertionMethod", "capabilityInvocation"].every((r) =>
        list(doc[r]).every((id) => typeOf(doc, id) === "ed25519"),
      ),
  ],
  ["5.4", "service, if there, is a set of maps", (doc) => list(doc.service).every(isMap)],
  [
    "5.4",
    "each service has id, type and serviceEndpoint",
    (doc) => services(doc).every((s) => [s.id, s.type, s.serviceEndpoint].every((value) => value !== undefined)),
  ],
  ["5.4", "its id is a URI", (doc) => services(doc).every(({ id }) => URI.test(id))],
  ["5.4", "no two services have one id", (doc) => isSet(services(doc).map(({ id }) => id))],
  [
    "5.4",
    "its type is a string or a set of strings",
    (doc) => services(doc).every(({ type }) => [type].flat().every((one) => typeof one === "string")),
  ],
  [
    "5.4",
    "its serviceEndpoint is a string, a map or a set of these, and strings in it are URIs",
    (doc) =>
      services(doc).every(({ serviceEndpoint }) =>
        [serviceEndpoint].flat().every((one) => (typeof one === "string" ? URI.test(one) : isMap(one))),
      ),
  ],
  [
    "3.2.2",
    "ids of methods and services are absolute DID URLs of this document",
    (doc) => [...methods(doc), ...services(doc)].every(({ id }) => id.startsWith(`${String(doc.id)}#`)),
  ],
  [
    "3.2.1",
    "a fragment means one thing: no service has the id of a verification method",
    (doc) => services(doc).every(({ id }) => !methods(doc).some((method) => method.id === id)),
  ],
  [
    "6.3.1",
    "@context is a string or a list whose first item is https://www.w3.org/ns/did/v1",
    (doc) => [doc["@context"]].flat()[0] === "https://www.w3.org/ns/did/v1",
  ],
  ["6.3.1", "@context has strings or maps only", (doc) => list(doc["@context"]).every((c) => typeof c === "string")],
  ["6.2", "the JSON representation is what JSON gives back", (doc) => isSame(JSON.parse(JSON.stringify(doc)), doc)],
];

function list(value: unknown): unknown[] {
  return value === undefined ? [] : (value as unknown[]);
}

function isSet(value: unknown): boolean {
  return Array.isArray(value) && new Set(value.map((item) => JSON.stringify(item))).size === value.length;
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function methods(doc: Json): Method[] {
  return list(doc.verificationMethod) as Method[];
}

function services(doc: Json): Service[] {
  return list(doc.service) as Service[];
}

function typeOf(doc: Json, id: unknown): string | undefined {
  const method = methods(doc).find((one) => one.id === id);
  return method === undefined ? undefined : decodeMultikey(method.publicKeyMultibase).type;
}

describe.each(CASES)("the DID document of %s meets DID Core", (_, state) => {
  const doc = JSON.parse(JSON.stringify(didDocument(state))) as Json;

  test.each(STATEMENTS)("%s: %s", (_section, _statement, holds) => {
    expect(holds(doc)).toBe(true);
  });
});

test("the statements can be missed: each is broken by some document", () => {
  const doc = JSON.parse(JSON.stringify(didDocument(stateOf(two)))) as Json;
  const [method] = methods(doc);
  const [service] = services(doc);
  const broken: Json[] = [
    { ...doc, id: "did:ants:" },
    { ...doc, id: undefined },
    { ...doc, extra: 1 },
    { ...doc, controller: "someone" },
    { ...doc, alsoKnownAs: ["scout@relay.example"] },
    { ...doc, alsoKnownAs: ["acct:a@b", "acct:a@b"] },
    { ...doc, verificationMethod: [method, method] },
    { ...doc, verificationMethod: [{ ...method, id: "#key" }] },
    { ...doc, verificationMethod: [{ ...method, type: undefined }] },
    { ...doc, verificationMethod: [{ ...method, controller: "me" }] },
    { ...doc, verificationMethod: [{ ...method, publicKeyJwk: {} }] },
    { ...doc, verificationMethod: [{ ...method, privateKeyMultibase: "z" }] },
    { ...doc, authentication: [`${String(doc.id)}#none`] },
    { ...doc, authentication: doc.keyAgreement },
    { ...doc, keyAgreement: doc.authentication },
    { ...doc, service: [service, service] },
    { ...doc, service: [{ ...service, id: "relay" }] },
    { ...doc, service: [{ ...service, type: undefined }] },
    { ...doc, service: [{ ...service, serviceEndpoint: "not a uri" }] },
    { ...doc, service: [{ ...service, id: method!.id }] },
    { ...doc, "@context": ["https://w3id.org/security/multikey/v1", "https://www.w3.org/ns/did/v1"] },
  ];
  for (const one of broken) expect(STATEMENTS.some(([, , holds]) => !holds(one))).toBe(true);
});

describe("what the document says", () => {
  test("keys, handles, relays and services, in the author's order", () => {
    const { did } = two;
    const key = (name: string) => `${did}#${keyOf(name)}`;
    const agree = `${did}#${encodeMultikey(secret("agree"), "x25519")}`;
    const doc = didDocument(stateOf(two));
    expect(doc.alsoKnownAs).toEqual([
      "acct:scout@relay.example",
      "acct:scout@relay.example:8443",
      "https://scout.example.com",
    ]);
    expect(doc.verificationMethod.map(({ id }) => id)).toEqual([key("hot 0"), key("second"), agree]);
    expect(doc.authentication).toEqual([key("hot 0"), key("second")]);
    expect(doc.assertionMethod).toEqual(doc.authentication);
    expect(doc.capabilityInvocation).toEqual(doc.authentication);
    expect(doc.keyAgreement).toEqual([agree]);
    expect(doc.service).toEqual([
      ...["a", "b", "c"].map(relay).map(({ url, stream }) => {
        return { id: `${did}#relay:${stream}`, type: "AntsRelay", serviceEndpoint: url, stream };
      }),
      { id: `${did}#site`, type: "LinkedDomains", serviceEndpoint: "https://scout.example.com/" },
      { id: `${did}#mail`, type: "Mail", serviceEndpoint: "mailto:scout@example.com" },
    ]);
  });

  test("a retired key and the recovery keys are in no document", () => {
    const text = JSON.stringify(didDocument(stateOf(plain, moved, turned)));
    expect(text).toContain(keyOf("hot 1"));
    for (const name of ["hot 0", "recovery 0"]) expect(text).not.toContain(keyOf(name));
    expect(text).not.toContain(encodeMultikey(publicKeyFromSeed(secret("recovery 1"))));
  });

  test("a service that takes the name of a key is left out", () => {
    expect(JSON.stringify(didDocument(stateOf(shadowing)))).not.toContain("thief.example");
  });
});
