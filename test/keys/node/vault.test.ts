import sodium from "libsodium-wrappers-sumo";
import { describe, expect, it } from "vitest";
import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { canonicalize, type JsonObject } from "../../../keys/canonical.js";
import { KDF_MAX, KDF_MIN } from "../../../keys/node/kdf.js";
import { openVault, sealVault } from "../../../keys/node/vault.js";
import { secretArrays } from "../../../keys/node/vault-content.js";
import type { VaultSlotInput, VaultUnlock } from "../../../keys/node/vault-slot.js";
import { sha256Hex } from "../../../keys/platform/node.js";
import { systemRandom } from "../../../keys/ports.js";
import { cpuMs } from "../../support/cpu-time.js";
import { codeOf } from "../code-of.js";
import { sampleContent, secretOf } from "./sample-content.js";

const passphrase = utf8("correct horse battery staple");
const entropy = systemRandom.bytes(32);
const keyFile = systemRandom.bytes(32);

const content = sampleContent();
/** All three ways in, the passphrase at the lowest cost that is accepted. */
const slots: VaultSlotInput[] = [
  { type: "passphrase", passphrase, kdf: "interactive" },
  { type: "phrase", entropy },
  { type: "key-file", keyFile },
];
const whole = sealVault(content, { slots });
/** Without Argon2id in the way, for what is tried a thousand times. */
const byKeyFile: VaultUnlock = { keyFile };

describe("a vault", () => {
  it.each<[string, VaultUnlock]>([
    ["the passphrase", { passphrase }],
    ["the recovery phrase", { phrase: entropy }],
    ["the key file", { keyFile }],
  ])("gives its whole content back to %s", (_, unlock) => {
    const vault = openVault(whole, unlock);
    expect(vault.content).toEqual(content);
    expect(vault.slotTypes).toEqual(["passphrase", "phrase", "key-file"]);
    vault.close();
  });

  it("keeps a content without high-water mark and without secrets", () => {
    const { highWater: _, ...rest } = content;
    const small = { ...rest, secrets: {} };
    const bytes = sealVault(small, { slots: [{ type: "key-file", keyFile }] });
    expect(openVault(bytes, byKeyFile).content).toEqual(small);
  });

  it("is one line of canonical JSON that shows its slots and their cost, and no secret", () => {
    const text = fromUtf8(whole);
    const file = JSON.parse(text) as JsonObject;
    expect(`${canonicalize(file)}\n`).toBe(text);
    expect(file).toMatchObject({
      format: "ants-vault",
      v: 1,
      slots: [
        { type: "passphrase", kdf: { name: "argon2id13", opsLimit: 2, memLimitBytes: 67_108_864 } },
        { type: "phrase" },
        { type: "key-file" },
      ],
    });
    expect(text).not.toContain(content.did);
  });

  it("uses libsodium's MODERATE cost unless told otherwise", () => {
    const bytes = sealVault(content, { slots: [{ type: "passphrase", passphrase }] });
    expect(JSON.parse(fromUtf8(bytes))).toMatchObject({
      slots: [{ kdf: { opsLimit: 3, memLimitBytes: 268_435_456 } }],
    });
  });

  it("never seals twice to the same bytes", () => {
    const vault = openVault(whole, byKeyFile);
    expect(fromUtf8(vault.reseal())).not.toBe(fromUtf8(vault.reseal()));
  });
});

describe("a vault refuses (I3)", () => {
  it.each<[string, VaultUnlock, string]>([
    ["a wrong passphrase", { passphrase: "correct horse battery stapl" }, "vault-wrong-passphrase"],
    ["an empty passphrase", { passphrase: "" }, "passphrase-empty"],
    ["a passphrase that is no text", { passphrase: Uint8Array.of(0xff, 0xfe) }, "passphrase-utf8"],
    ["another phrase", { phrase: systemRandom.bytes(32) }, "vault-wrong-phrase"],
    ["half a phrase", { phrase: systemRandom.bytes(16) }, "vault-wrong-phrase"],
    ["another key file", { keyFile: systemRandom.bytes(32) }, "vault-wrong-key-file"],
    ["a key file that can be guessed", { keyFile: utf8("hello") }, "vault-key-file"],
  ])("%s", (_, unlock, code) => {
    expect(codeOf(() => openVault(whole, unlock))).toBe(code);
  });

  it("a way in that it does not have, and says which it has", () => {
    const bytes = sealVault(content, { slots: [{ type: "key-file", keyFile }] });
    expect(codeOf(() => openVault(bytes, { passphrase }))).toBe("vault-no-slot");
    expect(() => openVault(bytes, { passphrase })).toThrow(/opens with key-file/);
  });

  it("every single flipped bit as damage, before a passphrase is even tried", () => {
    for (let i = 0; i < whole.length; i++) {
      for (const bit of [0x01, 0x80]) {
        const flipped = whole.slice();
        flipped[i]! ^= bit;
        expect(["vault-damaged", "vault-format"], `byte ${i}`).toContain(codeOf(() => openVault(flipped, byKeyFile)));
      }
    }
  });

  it("every truncation", () => {
    for (let length = 0; length < whole.length; length++) {
      expect(
        codeOf(() => openVault(whole.subarray(0, length), byKeyFile)),
        `length ${length}`,
      ).toBe("vault-format");
    }
  });

  it("anything after its end", () => {
    for (const more of ["\n", " ", "{}"]) {
      const longer = utf8(fromUtf8(whole) + more);
      expect(codeOf(() => openVault(longer, byKeyFile))).toBe("vault-format");
    }
  });

  it("every changed byte also when the checksum was made to match", () => {
    const text = fromUtf8(whole);
    let reached = 0;
    for (let i = 0; i < text.length; i++) {
      const forged = forge(text.slice(0, i) + (text[i] === "A" ? "Q" : "A") + text.slice(i + 1));
      if (forged === undefined || fromUtf8(forged) === text) continue;
      reached++;
      for (const unlock of reached % 10 === 0 ? [byKeyFile, { phrase: entropy }] : [byKeyFile]) {
        expect(
          codeOf(() => openVault(forged, unlock)),
          `character ${i}`,
        ).toMatch(/^vault-/);
      }
    }
    // What is left out is JSON's own punctuation and the checksum.
    expect(reached).toBeGreaterThan(text.length / 2);
  });

  it("a slot that was taken away, doubled or moved", () => {
    const file = JSON.parse(fromUtf8(whole)) as { slots: JsonObject[] } & JsonObject;
    const [first, second, third] = file.slots as [JsonObject, JsonObject, JsonObject];
    for (const [changed, code] of [
      [[third], "vault-damaged"],
      [[second, third], "vault-damaged"],
      [[second, first, third], "vault-format"],
      [[first, second, third, third], "vault-format"],
      [[], "vault-format"],
    ] as const) {
      const forged = withChecksum({ ...file, slots: [...changed] });
      expect(codeOf(() => openVault(forged, byKeyFile))).toBe(code);
    }
  });

  it("an unknown version, telling to update", () => {
    const file = JSON.parse(fromUtf8(whole)) as JsonObject;
    expect(codeOf(() => openVault(withChecksum({ ...file, v: 2, slots: "new" }), byKeyFile))).toBe("vault-version");
  });

  it.each([
    ["no passes", { opsLimit: 0 }],
    ["one pass", { opsLimit: 1 }],
    ["more passes than the maximum", { opsLimit: KDF_MAX.opsLimit + 1 }],
    ["2^53 - 1 passes", { opsLimit: Number.MAX_SAFE_INTEGER }],
    ["a negative number of passes", { opsLimit: -3 }],
    ["passes that are text", { opsLimit: "3" }],
    ["no memory", { memLimitBytes: 0 }],
    ["8 KiB", { memLimitBytes: 8192 }],
    ["less than the minimum", { memLimitBytes: KDF_MIN.memLimitBytes - 1024 }],
    ["more than the maximum", { memLimitBytes: KDF_MAX.memLimitBytes + 1024 }],
    ["2^53 - 1 bytes", { memLimitBytes: Number.MAX_SAFE_INTEGER }],
    ["half a KiB", { memLimitBytes: KDF_MIN.memLimitBytes + 512 }],
  ])("a file that asks for %s, at once", (_, change) => {
    const file = JSON.parse(fromUtf8(whole)) as { slots: [{ kdf: JsonObject }, ...JsonObject[]] } & JsonObject;
    const [first, ...rest] = file.slots;
    const forged = withChecksum({ ...file, slots: [{ ...first, kdf: { ...first.kdf, ...change } }, ...rest] });
    // Argon2id at the lowest accepted cost takes longer than this.
    const ms = cpuMs(() => expect(codeOf(() => openVault(forged, { passphrase }))).toBe("vault-kdf-bounds"));
    expect(ms).toBeLessThan(100);
  });

  it.each([
    ["too cheap", { opsLimit: 1, memLimitBytes: 8192 }],
    ["too dear", { opsLimit: 9, memLimitBytes: KDF_MAX.memLimitBytes }],
    ["not a number", { opsLimit: Number.NaN, memLimitBytes: KDF_MIN.memLimitBytes }],
  ])("to be made with a cost that is %s", (_, kdf) => {
    const made = () => sealVault(content, { slots: [{ type: "passphrase", passphrase, kdf }] });
    expect(codeOf(made)).toBe("vault-kdf-bounds");
  });

  it("to be made without a way in, or with two of a kind", () => {
    expect(codeOf(() => sealVault(content, { slots: [] }))).toBe("vault-slots");
    const twice = [slots[2]!, slots[2]!];
    expect(codeOf(() => sealVault(content, { slots: twice }))).toBe("vault-slots");
  });

  it.each<[string, object, string]>([
    ["a short seed", { signSeed: new Uint8Array(31) }, "vault-content"],
    [
      "a name of a secret that no variable could have",
      { secrets: { "../x": secretOf(new Uint8Array(1)) } },
      "vault-content",
    ],
    ["a secret named __proto__", { secrets: JSON.parse('{"__proto__":{"credentials":[]}}') }, "vault-content"],
    ["a secret that is a document", { secrets: { book: secretOf(new Uint8Array(16_385)) } }, "vault-content"],
    ["a broken high-water mark", { highWater: { epoch: 0, seq: 0, id: "ab".repeat(32) } }, "vault-content"],
    ["something that is no DID", { did: "did:key:z6Mk" }, "did-syntax"],
  ])("to hold %s", (_, change, code) => {
    const wrong = { ...content, ...change };
    expect(codeOf(() => sealVault(wrong, { slots: [{ type: "key-file", keyFile }] }))).toBe(code);
  });
});

describe("a passphrase", () => {
  it("opens however a keyboard composes it (NFKC)", () => {
    const bytes = sealVault(content, {
      slots: [{ type: "passphrase", passphrase: "ﬁancée Ångström №5", kdf: "interactive" }],
    });
    for (const spelling of ["fiancée Ångström No5", "fiance\u0301e A\u030angstro\u0308m №5"]) {
      expect(openVault(bytes, { passphrase: spelling }).did).toBe(content.did);
    }
    expect(codeOf(() => openVault(bytes, { passphrase: "fiancee Angstrom No5" }))).toBe("vault-wrong-passphrase");
  });

  it("is left as it was in the caller's hands, also in a Buffer, whose slices share its memory", () => {
    const buffer = Buffer.from("naïve horse battery staple");
    const bytes = sealVault(content, { slots: [{ type: "passphrase", passphrase: buffer, kdf: "interactive" }] });
    expect(openVault(bytes, { passphrase: buffer }).did).toBe(content.did);
    expect(buffer.toString()).toBe("naïve horse battery staple");
    expect(fromUtf8(passphrase)).toBe("correct horse battery staple");
  });
});

describe("an open vault", () => {
  it("changes its passphrase without changing its data key", () => {
    const vault = openVault(whole, { passphrase });
    const changed = vault.withSlot({ type: "passphrase", passphrase: "another one, longer", kdf: "interactive" });
    vault.close();
    expect(codeOf(() => openVault(changed, { passphrase }))).toBe("vault-wrong-passphrase");
    expect(openVault(changed, { passphrase: "another one, longer" }).content).toEqual(content);
    expect(openVault(changed, { phrase: entropy }).content).toEqual(content);
    // The old file's key opens the new file: it is the same data key.
    const old = openVault(whole, byKeyFile);
    old.refresh(changed);
    expect(old.content).toEqual(content);
  });

  it("adds and removes ways in, but keeps the last", () => {
    const vault = openVault(sealVault(content, { slots: [{ type: "key-file", keyFile }] }), byKeyFile);
    expect(codeOf(() => vault.withoutSlot("key-file"))).toBe("vault-slots");
    vault.withSlot({ type: "phrase", entropy });
    expect(vault.slotTypes).toEqual(["phrase", "key-file"]);
    const left = vault.withoutSlot("key-file");
    expect(openVault(left, { phrase: entropy }).content).toEqual(content);
    expect(codeOf(() => openVault(left, byKeyFile))).toBe("vault-no-slot");
  });

  it("reseals a changed content", () => {
    const vault = openVault(whole, byKeyFile);
    const highWater = { epoch: 4, seq: 50, id: "cd".repeat(32) };
    const bytes = vault.reseal({ ...vault.content, highWater });
    expect(vault.content.highWater).toEqual(highWater);
    expect(openVault(bytes, { phrase: entropy }).content).toEqual({ ...content, highWater });
  });

  it("takes over what another process wrote, so that its next write does not undo it", () => {
    const mine = openVault(whole, byKeyFile);
    const theirs = openVault(whole, byKeyFile);
    const changed = theirs.withSlot({ type: "phrase", entropy: new Uint8Array(32).fill(7) });
    mine.refresh(changed);
    const bytes = mine.reseal({ ...mine.content, highWater: { epoch: 9, seq: 1, id: "ef".repeat(32) } });
    expect(openVault(bytes, { phrase: new Uint8Array(32).fill(7) }).content.highWater?.epoch).toBe(9);
    expect(codeOf(() => openVault(bytes, { phrase: entropy }))).toBe("vault-wrong-phrase");
  });

  it("does not take over another vault", () => {
    const vault = openVault(whole, byKeyFile);
    const other = sealVault(sampleContent(), { slots: [{ type: "key-file", keyFile }] });
    expect(codeOf(() => vault.refresh(other))).toBe("vault-replaced");
    expect(vault.content).toEqual(content);
  });

  it("leaves nothing of its secrets behind when it is closed", () => {
    const secret = sampleContent();
    const seed = secret.signSeed.slice();
    const vault = openVault(sealVault(secret, { slots }), { passphrase });
    const arrays = secretArrays(vault.content);
    expect(arrays).toHaveLength(12);
    vault.close();
    vault.close();
    for (const array of arrays) {
      expect(array.every((byte) => byte === 0)).toBe(true);
    }
    expect(codeOf(() => vault.content)).toBe("vault-closed");
    expect(codeOf(() => vault.reseal())).toBe("vault-closed");
    expect(codeOf(() => vault.withSlot(slots[1]!))).toBe("vault-closed");
    // libsodium's own memory, where its wrappers copy every argument and result.
    const { HEAPU8 } = (sodium as unknown as { libsodium: { HEAPU8: Uint8Array } }).libsodium;
    const heap = Buffer.from(HEAPU8.buffer);
    expect(heap.includes(Buffer.from(seed))).toBe(false);
    expect(heap.includes(Buffer.from(passphrase))).toBe(false);
  });

  it("does not keep or clear the arrays that it was sealed from", () => {
    const mine = sampleContent();
    const bytes = sealVault(mine, { slots: [{ type: "key-file", keyFile }] });
    const vault = openVault(bytes, byKeyFile);
    vault.close();
    expect(mine.signSeed.every((byte) => byte === 0)).toBe(false);
    expect(openVault(bytes, byKeyFile).content).toEqual(mine);
  });
});

/** A changed text with the checksum that goes with it; undefined when it is no JSON any more. */
function forge(text: string): Uint8Array | undefined {
  try {
    return withChecksum(JSON.parse(text) as JsonObject);
  } catch {
    return undefined;
  }
}

function withChecksum({ sha256: _, ...body }: JsonObject): Uint8Array {
  return utf8(`${canonicalize({ ...body, sha256: sha256Hex(utf8(canonicalize(body))) })}\n`);
}
