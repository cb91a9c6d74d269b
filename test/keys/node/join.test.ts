import { beforeEach, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { makeJoinAnswer, openJoinAnswer, parseJoinAnswer } from "../../../keys/node/join-answer.js";
import {
  isJoinCode,
  JOIN_VALID_MS,
  joinCode,
  makeJoinRequest,
  parseJoinRequest,
} from "../../../keys/node/join-request.js";
import { type OpenVault, openVault, sealVault } from "../../../keys/node/vault.js";
import { systemRandom } from "../../../keys/ports.js";
import { codeOf } from "../code-of.js";

const did = `did:ants:${"a".repeat(52)}` as const;
const other = `did:ants:${"b".repeat(51)}a` as const;
const NOW_MS = 1_700_000_000_000;
const signSeed = new Uint8Array(32).fill(1);
const phrase = new Uint8Array(32).fill(9);
const identity = utf8('{"a line":"of an identity"}\n');

let vault: OpenVault;

beforeEach(() => {
  const content = {
    did,
    signSeed: new Uint8Array(signSeed),
    agreeSecret: new Uint8Array(32).fill(2),
    stateKey: new Uint8Array(32).fill(3),
    earlier: [],
    secrets: {},
  };
  vault = openVault(sealVault(content, { slots: [{ type: "phrase", entropy: phrase }] }), { phrase });
});

function asked(forDid: typeof did = did) {
  return makeJoinRequest(forDid, NOW_MS, systemRandom);
}

describe("a request to join", () => {
  test("is one line that can be pasted, good for an hour, with a key of its own each time", () => {
    const { request } = asked();
    expect(parseJoinRequest(`\n  ${request.line} \r\n`)).toEqual(request);
    expect(request.expiresMs).toBe(NOW_MS + JOIN_VALID_MS);
    expect(asked().request.line).not.toBe(request.line);
  });

  test.each([
    ["nothing", ""],
    ["another line", '{"format":"ants-join-answer"}'],
    ["a request with more in it", asked().request.line.replace('"v":1', '"v":1,"x":1')],
    ["a request of another version", asked().request.line.replace('"v":1', '"v":2')],
    [
      "a request for a signing key",
      asked().request.line.replace(/z6LS[^"]*/, encodeMultikey(publicKeyFromSeed(signSeed))),
    ],
  ])("%s is none", (_, text) => {
    expect(codeOf(() => parseJoinRequest(text))).toBe("join-request");
  });

  test("has a code of 60 bits over all of it: another key, agent or hour has another", () => {
    const { request } = asked();
    expect(joinCode(request)).toMatch(/^[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}$/);
    expect(isJoinCode(joinCode(request).toUpperCase().replaceAll("-", " "), request)).toBe(true);
    const swapped = parseJoinRequest(request.line.replace(did, other));
    const later = parseJoinRequest(request.line.replace(String(request.expiresMs), String(request.expiresMs + 1)));
    for (const changed of [swapped, later, asked().request]) expect(isJoinCode(joinCode(request), changed)).toBe(false);
    expect(isJoinCode("", request)).toBe(false);
    expect(isJoinCode(joinCode(request).slice(0, -1), request)).toBe(false);
  });

  test("has the same code for ever", () => {
    const { request } = makeJoinRequest(did, NOW_MS, { bytes: (length) => new Uint8Array(length).fill(7) });
    expect(joinCode(request)).toMatchInlineSnapshot(`"kqq5-lw52-sgzs"`);
  });
});

describe("the answer", () => {
  test("gives the device that asked the vault, the identity and the label", () => {
    const { request, secret } = asked();
    const answer = parseJoinAnswer(fromUtf8(makeJoinAnswer(request, vault, { label: "scout", identity })));
    expect(answer).toMatchObject({ did, key: encodeMultikey(publicKeyFromSeed(signSeed)), request: request.hash });
    const joined = openJoinAnswer(answer, request, secret);
    expect(joined.label).toBe("scout");
    expect(fromUtf8(joined.identity)).toBe(fromUtf8(identity));
    expect(joined.vault.content.signSeed).toEqual(signSeed);
    // With a passphrase of its own the words still open it, and the token of the way no longer does.
    const own = joined.vault.withSlot({ type: "passphrase", passphrase: "this device's own", kdf: "interactive" });
    expect(openVault(own, { phrase }).did).toBe(did);
    expect(openVault(own, { passphrase: "this device's own" }).slotTypes).toEqual(["passphrase", "phrase"]);
  });

  test("opens for nobody else: not with another key, not for another request or agent", () => {
    const { request, secret } = asked();
    const answer = parseJoinAnswer(fromUtf8(makeJoinAnswer(request, vault, { label: "scout", identity })));
    const another = asked();
    expect(codeOf(() => openJoinAnswer(answer, request, another.secret))).toBe("sealed-open");
    expect(codeOf(() => openJoinAnswer(answer, another.request, secret))).toBe("join-answer");
    const renamed = { ...answer, request: another.request.hash };
    expect(codeOf(() => openJoinAnswer(renamed, another.request, another.secret))).toBe("sealed-open");
    expect(codeOf(() => openJoinAnswer({ ...answer, did: other }, request, secret))).toBe("join-answer");
  });

  test("with any character changed is refused", () => {
    const { request } = asked();
    const line = fromUtf8(makeJoinAnswer(request, vault, { label: "scout", identity })).trim();
    for (let at = 0; at < line.length; at += 11) {
      const changed = `${line.slice(0, at)}${line[at] === "a" ? "b" : "a"}${line.slice(at + 1)}`;
      expect(codeOf(() => parseJoinAnswer(changed))).toBe("join-answer");
    }
    expect(codeOf(() => parseJoinAnswer(""))).toBe("join-answer");
  });
});
