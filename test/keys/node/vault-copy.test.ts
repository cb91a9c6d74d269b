import { beforeAll, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { openVault, sealVault } from "../../../keys/node/vault.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import { formatVaultCopy, parseVaultCopy } from "../../../keys/node/vault-copy.js";
import { codeOf } from "../code-of.js";

const did = `did:ants:${"a".repeat(52)}` as const;
const content: VaultContent = {
  did,
  signSeed: new Uint8Array(32).fill(1),
  agreeSecret: new Uint8Array(32).fill(2),
  stateKey: new Uint8Array(32).fill(3),
  highWater: { epoch: 3, seq: 41, id: "ab".repeat(32) },
  earlier: [],
  secrets: {},
};
const TIME_MS = 1_700_000_000_000;
let vault: Uint8Array;
let copy: Uint8Array;

beforeAll(() => {
  vault = sealVault(content, { slots: [{ type: "phrase", entropy: new Uint8Array(32) }] });
  copy = formatVaultCopy(vault, content, TIME_MS);
});

describe("a copy of a vault", () => {
  test("says whose it is and how far it knows the chain, and carries the vault", () => {
    const read = parseVaultCopy(copy);
    expect(read).toMatchObject({ did, highWater: content.highWater, timeMs: TIME_MS });
    expect(read.key).toBe(encodeMultikey(publicKeyFromSeed(content.signSeed)));
    expect(openVault(read.vault, { phrase: new Uint8Array(32) }).did).toBe(did);
    const { highWater: _, ...young } = content;
    expect(parseVaultCopy(formatVaultCopy(vault, young, TIME_MS)).highWater).toBeUndefined();
  });

  test("says nothing of its secrets", () => {
    const text = fromUtf8(copy);
    for (const byte of [1, 2, 3]) expect(text).not.toContain(Buffer.alloc(32, byte).toString("base64url").slice(0, 40));
  });

  test("is refused with any one character changed", () => {
    const text = fromUtf8(copy);
    for (let at = 0; at < text.length - 1; at += 7) {
      const changed = `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;
      expect(["vault-copy-format", "vault-copy-damaged", "vault-version"]).toContain(
        codeOf(() => parseVaultCopy(utf8(changed))),
      );
    }
  });

  test("whose mark is moved is damaged: nobody can make an old copy look new", () => {
    const newer = fromUtf8(copy).replace('"seq":41', '"seq":99');
    expect(codeOf(() => parseVaultCopy(utf8(newer)))).toBe("vault-copy-damaged");
  });

  test("of another kind or version is told apart", () => {
    expect(codeOf(() => parseVaultCopy(vault))).toBe("vault-copy-format");
    expect(codeOf(() => parseVaultCopy(utf8("{}\n")))).toBe("vault-copy-format");
    expect(codeOf(() => parseVaultCopy(new Uint8Array()))).toBe("vault-copy-format");
    expect(codeOf(() => parseVaultCopy(utf8(fromUtf8(copy).replace('"v":1', '"v":2'))))).toBe("vault-version");
  });
});
