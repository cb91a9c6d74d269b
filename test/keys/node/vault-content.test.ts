import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromBase64url, hex, utf8 } from "../../../keys/bytes.js";
import { canonicalize, type JsonObject } from "../../../keys/canonical.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { openVault } from "../../../keys/node/vault.js";
import { decodeVaultContent, encodeVaultContent, type VaultContent } from "../../../keys/node/vault-content.js";
import type { Secret, SecretVersion } from "../../../keys/node/vault-secrets.js";
import { codeOf } from "../code-of.js";
import { sampleContent, secretOf } from "./sample-content.js";

/** Bytes that ants 0.1.0 wrote, whose content had version 1. */
const old = JSON.parse(readFileSync(new URL("../../vectors/vault/content-v1.json", import.meta.url), "utf8")) as {
  content: string;
  contentSmall: string;
  file: string;
};
const count = (from: number) => Uint8Array.from({ length: 32 }, (_, i) => from + i);
const v1Keys = { did: `did:ants:${"a".repeat(52)}`, signSeed: count(0), agreeSecret: count(32), stateKey: count(64) };
const v1Secret = (value: Uint8Array): Secret => ({
  credentials: [{ label: "main", versions: [{ number: 1, id: "0000000000000000", madeMs: 0, value }] }],
});
const v1Content = {
  ...v1Keys,
  highWater: { epoch: 3, seq: 41, id: "ab".repeat(32) },
  earlier: [],
  secrets: { api: v1Secret(new Uint8Array(0)), "mail.token": v1Secret(utf8("an invented token, ünïcode")) },
};

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const ms = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const hexDigits = (length: number) =>
  fc.uint8Array({ minLength: length / 2, maxLength: length / 2 }).map((bytes) => hex(bytes));
const version = (number: number): fc.Arbitrary<SecretVersion> =>
  fc.record(
    {
      number: fc.constant(number),
      id: hexDigits(16),
      madeMs: ms,
      expiresMs: ms,
      value: fc.uint8Array({ maxLength: 80 }),
    },
    { requiredKeys: ["number", "id", "madeMs", "value"] },
  );
const revoked = (number: number): fc.Arbitrary<SecretVersion> =>
  version(number).map((it) => ({ ...it, revoked: true as const, value: new Uint8Array(0) }));
const versions = fc
  .uniqueArray(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { minLength: 1, maxLength: 4 })
  .chain((numbers) => fc.tuple(...numbers.sort((a, b) => b - a).map((n) => fc.oneof(version(n), revoked(n)))));
const credential = fc.record(
  {
    label: fc.stringMatching(/^[a-z][a-z0-9._-]{0,31}$/),
    versions,
    refused: fc.record({ version: fc.integer({ min: 1 }), atMs: ms, recorded: fc.boolean() }),
  },
  { requiredKeys: ["label", "versions"] },
);
const secret = fc.record({
  credentials: fc.uniqueArray(credential, { minLength: 1, maxLength: 8, selector: ({ label }) => label }),
});
const content = fc.record(
  {
    did: fc.constant(v1Content.did as VaultContent["did"]),
    signSeed: key,
    agreeSecret: key,
    stateKey: key,
    highWater: fc.record({ epoch: fc.integer({ min: 1 }), seq: fc.nat(), id: hexDigits(64) }),
    earlier: fc.array(fc.record({ agreeSecret: key, stateKey: key }), { maxLength: 5 }),
    next: fc.record({
      signSeed: key,
      agreeSecret: key,
      stateKey: key,
      operation: fc.string({ minLength: 1, unit: "grapheme" }),
    }),
    secrets: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9._-]{0,63}$/), secret, {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  },
  { requiredKeys: ["did", "signSeed", "agreeSecret", "stateKey", "earlier", "secrets"] },
);

describe("the content of a vault", () => {
  it("comes back as it was put in, in the order of its credentials and versions, and has one spelling", () => {
    fc.assert(
      fc.property(content, (some) => {
        const bytes = encodeVaultContent(some);
        const read = decodeVaultContent(bytes.slice());
        expect(read).toEqual(some);
        expect(Buffer.compare(encodeVaultContent(read), bytes)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it("holds as much as its limits allow", () => {
    const value = new Uint8Array(512).fill(7);
    const all = [4, 3, 2, 1].map((number) => ({
      number,
      id: "f".repeat(16),
      madeMs: 2 ** 52,
      expiresMs: 2 ** 52,
      value,
    }));
    const labels = Array.from({ length: 8 }, (_, i) => `${"l".repeat(31)}${i}`);
    const names = Array.from({ length: 256 }, (_, i) => `${"n".repeat(60)}.${i}`);
    const some = sampleContent();
    const full = {
      ...some,
      earlier: Array.from({ length: 64 }, () => some.earlier[0]!),
      secrets: Object.fromEntries(
        names.map((name) => [name, { credentials: labels.map((label) => ({ label, versions: all })) }]),
      ),
    };
    expect(Object.keys(decodeVaultContent(encodeVaultContent(full)).secrets)).toHaveLength(256);
    const tooMuch = { ...full.secrets, [names[0]!]: secretOf(new Uint8Array(16_385)) };
    expect(codeOf(() => encodeVaultContent({ ...full, secrets: tooMuch }))).toBe("vault-content");
    const inAll = { ...full.secrets, [names[0]!]: secretOf(new Uint8Array(16_384 + 512)) };
    expect(codeOf(() => encodeVaultContent({ ...full, secrets: inAll }))).toBe("vault-content");
  });

  it("overwrites the plain bytes it was read from", () => {
    const bytes = encodeVaultContent(sampleContent());
    decodeVaultContent(bytes);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});

describe("a vault of version 1", () => {
  it("opens, each secret as the first version of its main credential", () => {
    expect(decodeVaultContent(fromBase64url(old.content))).toEqual(v1Content);
    expect(decodeVaultContent(fromBase64url(old.contentSmall))).toEqual({ ...v1Keys, earlier: [], secrets: {} });
  });

  it("becomes one of version 2 with the next write", () => {
    const keyFile = Uint8Array.from({ length: 32 }, (_, i) => 200 - i);
    const vault = openVault(utf8(old.file), { keyFile });
    expect(vault.content).toEqual(v1Content);
    const again = openVault(vault.reseal(), { keyFile });
    expect(again.content).toEqual(v1Content);
    const written = new TextDecoder().decode(encodeVaultContent(again.content)).split("\n")[0]!;
    expect(JSON.parse(written)).toMatchObject({ v: 2, earlier: 0 });
  });

  it.each<[string, JsonObject]>([
    ["a name that none could have", { secrets: { A: 0 } }],
    ["a value beyond the limit", { secrets: { a: 16_385 } }],
    ["no secrets", { secrets: [] }],
  ])("is refused with %s", (_, change) => {
    const head: JsonObject = { did: v1Content.did, secrets: {}, v: 1, ...change };
    const bytes = concat(utf8(`${canonicalize(head)}\n`), new Uint8Array(96 + 16_385));
    expect(codeOf(() => decodeVaultContent(bytes))).toBe("vault-content");
  });
});

describe("a vault of version 2, from before there were backups", () => {
  const two = JSON.parse(readFileSync(new URL("../../vectors/vault/content-v2.json", import.meta.url), "utf8")) as {
    content: string;
  };
  const bytes = () => fromBase64url(two.content);

  it("opens, and is written as it was: an older ants goes on reading it", () => {
    const content = decodeVaultContent(bytes());
    expect(content.backup).toBeUndefined();
    expect(content.earlier).toEqual([{ agreeSecret: count(96), stateKey: count(128) }]);
    expect(content.secrets.api?.credentials[0]?.versions[0]?.value).toEqual(count(160));
    expect(encodeVaultContent(content)).toEqual(bytes());
  });

  it("becomes one of version 3 with a backup recipient, and one of version 2 again without it", () => {
    const content = { ...decodeVaultContent(bytes()), backup: encodeMultikey(count(7), "x25519") };
    const written = encodeVaultContent(content);
    expect(new TextDecoder().decode(written).split("\n")[0]).toMatch(/"v":3\}$/);
    const again = decodeVaultContent(written);
    expect(again).toEqual(content);
    const { backup: _, ...without } = again;
    expect(encodeVaultContent(without)).toEqual(bytes());
  });
});

describe("bytes are refused", () => {
  const one = { label: "main", versions: [{ number: 1, id: "0".repeat(16), madeMs: 0, size: 0 }] };
  const withVersion = (change: JsonObject) => ({
    secrets: { a: [{ ...one, versions: [{ ...one.versions[0]!, ...change }] }] },
  });
  const plain = (change: JsonObject, extra = 0) => {
    const head: JsonObject = { did: v1Content.did, earlier: 0, secrets: {}, v: 2, ...change };
    return concat(utf8(`${canonicalize(head)}\n`), new Uint8Array(96 + extra));
  };

  it("unless they are whole", () => {
    expect(decodeVaultContent(plain({})).secrets).toEqual({});
    expect(decodeVaultContent(plain({ secrets: { a: [one] } })).secrets.a?.credentials).toHaveLength(1);
  });

  it.each<[string, JsonObject, number?]>([
    ["of a newer version", { v: 4 }],
    ["of version 3 without a backup recipient", { v: 3 }],
    ["of version 2 with one", { backup: encodeMultikey(count(7), "x25519") }],
    ["with a backup recipient that signs", { v: 3, backup: encodeMultikey(count(7), "ed25519") }],
    ["with a backup recipient that is none", { v: 3, backup: "z6LS" }],
    ["of no version", { v: "2" }],
    ["with a field of a newer version", { future: 1 }],
    ["with bytes left over", {}, 1],
    ["with bytes missing", { earlier: 1 }, 63],
    ["with 65 earlier eras", { earlier: 65 }, 65 * 64],
    ["with a number of eras below none", { earlier: -1 }],
    ["with a rotation without its operation", { next: {} }, 96],
    ["with a rotation of more than its operation", { next: { operation: "x", more: 1 } }, 96],
    ["with an operation beyond 8 KiB", { next: { operation: "ü".repeat(4097) } }, 96],
    ["with a secret without credentials", { secrets: { a: [] } }],
    ["with nine credentials", { secrets: { a: Array.from({ length: 9 }, (_, i) => ({ ...one, label: `l${i}` })) } }],
    ["with a label twice", { secrets: { a: [one, one] } }],
    ["with a label that is none", { secrets: { a: [{ ...one, label: "Main" }] } }],
    ["with a credential without versions", { secrets: { a: [{ ...one, versions: [] }] } }],
    [
      "with the oldest version first",
      { secrets: { a: [{ ...one, versions: [1, 2].map((number) => ({ ...one.versions[0]!, number })) }] } },
    ],
    ["with a version twice", { secrets: { a: [{ ...one, versions: [one.versions[0]!, one.versions[0]!] }] } }],
    ["with a version 0", withVersion({ number: 0 })],
    ["with an id that is none", withVersion({ id: "0".repeat(15) })],
    ["with a value of a revoked version", withVersion({ revoked: true, size: 1 }), 1],
    ["with a version that is not quite revoked", withVersion({ revoked: false })],
    ["with a size below nothing", withVersion({ size: -1 })],
    ["with a time of expiry before all time", withVersion({ expiresMs: -1 })],
    ["with a further field of a version", withVersion({ note: "x" })],
    [
      "with a refusal of no version",
      { secrets: { a: [{ ...one, refused: { atMs: 0, recorded: true, version: 0 } }] } },
    ],
    ["with a refusal that is half told", { secrets: { a: [{ ...one, refused: { atMs: 0, version: 1 } }] } }],
  ])("%s", (_, change, extra) => {
    expect(codeOf(() => decodeVaultContent(plain(change, extra)))).toBe("vault-content");
  });
});
