import { describe, expect, test } from "vitest";
import { ageRecipient, ageSecretKey, parseAgeRecipient } from "../../keys/age.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { codeOf } from "./code-of.js";

// Made by age-keygen 1.1.1.
const RECIPIENT = "age1vqfk9lg3cppff0ltw97cp46mhesxxkmg3m67vn4cataw0ymy93qs2svcdk";

describe("keys in the spelling of age", () => {
  test("are the same bytes there and back", () => {
    for (let i = 0; i < 50; i++) {
      const publicKey = x25519PublicKey(new Uint8Array(32).fill(i));
      const text = ageRecipient(publicKey);
      expect(text).toMatch(/^age1[a-z0-9]{58}$/);
      expect(parseAgeRecipient(text)).toEqual(publicKey);
    }
    expect(ageSecretKey(new Uint8Array(32))).toMatch(/^AGE-SECRET-KEY-1[A-Z0-9]{58}$/);
  });

  test("of age-keygen are taken", () => {
    expect(ageRecipient(parseAgeRecipient(RECIPIENT))).toBe(RECIPIENT);
  });

  test.each([
    "",
    "age1",
    RECIPIENT.toUpperCase(),
    `${RECIPIENT.slice(0, -1)}q`,
    ageSecretKey(new Uint8Array(32)),
    "age1pq1qqqq",
    "ssh-ed25519 AAAA",
  ])("%j is no recipient", (text) => {
    expect(codeOf(() => parseAgeRecipient(text))).toBe("age-key");
  });

  test("a key of another length is refused", () => {
    expect(codeOf(() => ageRecipient(new Uint8Array(31)))).toBe("age-key");
    expect(codeOf(() => ageSecretKey(new Uint8Array(33)))).toBe("age-key");
  });
});
