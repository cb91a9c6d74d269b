import { describe, expect, test } from "vitest";
import { base64url, utf8 } from "../../keys/bytes.js";
import { canonicalize } from "../../keys/canonical.js";
import { sign } from "../../keys/ed25519/index.js";
import { systemRandom } from "../../keys/ports.js";
import { createAuth, createChallenge, parseAuth, requireAuth } from "../../src/protocol/auth.js";
import { codeOf } from "../keys/code-of.js";
import { did, instance, key, lineOf, seed, timeMs, url } from "./author.js";

const challenge = "Q".repeat(43).replace(/Q$/, "A");
const plain = JSON.parse(createAuth({ did, instance, relay: url, challenge, timeMs, seed }));

function resigned(changes: Record<string, unknown>): Uint8Array {
  const { sig: _, ...unsigned } = { ...plain, ...changes };
  const sig = base64url(sign(utf8(`ants/auth/1\n${canonicalize(unsigned)}`), seed));
  return lineOf({ ...unsigned, sig: changes.sig ?? sig });
}

describe("an auth line", () => {
  test("says who speaks, to whom, and answers the challenge", () => {
    const parsed = parseAuth(lineOf(plain));
    expect(parsed).toMatchObject({ type: "auth", did });
    expect(parsed.auth).toMatchObject({ instance, relay: url, challenge, time: timeMs, key });
    expect(() => requireAuth(parsed, { challenge, relayUrls: ["ws://127.0.0.1:7777", url] })).not.toThrow();
  });

  test("for another connection or another relay is refused", () => {
    const parsed = parseAuth(lineOf(plain));
    expect(codeOf(() => requireAuth(parsed, { challenge: "A".repeat(43), relayUrls: [url] }))).toBe("auth-failed");
    expect(codeOf(() => requireAuth(parsed, { challenge, relayUrls: ["wss://relay.example.evil"] }))).toBe(
      "auth-failed",
    );
    expect(codeOf(() => requireAuth(parsed, { challenge, relayUrls: [] }))).toBe("auth-failed");
  });

  test("is not accepted under another statement's tag", () => {
    const { sig: _, ...unsigned } = plain;
    const sig = base64url(sign(utf8(`ants/promise/1\n${canonicalize(unsigned)}`), seed));
    expect(codeOf(() => parseAuth(lineOf({ ...unsigned, sig })))).toBe("bad-signature");
  });

  test.each([
    ["type", "promise", "auth-grammar"],
    ["v", 2, "version-unsupported"],
    ["did", "did:ants:x", "auth-grammar"],
    ["instance", "1", "auth-grammar"],
    ["relay", "https://relay.example", "auth-grammar"],
    ["relay", "wss://relay.example/", "auth-grammar"],
    ["relay", "wss://Relay.example", "auth-grammar"],
    ["challenge", "short", "auth-grammar"],
    ["time", -1, "auth-grammar"],
    ["time", 8_640_000_000_000_001, "auth-grammar"],
    ["key", "z6Mk", "auth-grammar"],
    ["sig", "A".repeat(86), "bad-signature"],
    ["sig", "A".repeat(85), "auth-grammar"],
    ["more", 1, "auth-grammar"],
  ])("%s = %j: %s", (field, value, code) => {
    expect(codeOf(() => parseAuth(resigned({ [field]: value })))).toBe(code);
  });
});

test("a challenge is 32 bytes that were never there before", () => {
  const challenges = Array.from({ length: 100 }, () => createChallenge(systemRandom));
  expect(new Set(challenges).size).toBe(100);
  for (const each of challenges) expect(each).toMatch(/^[A-Za-z0-9_-]{43}$/);
});
