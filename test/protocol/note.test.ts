import { describe, expect, test } from "vitest";
import { concat } from "../../keys/bytes.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { EMPTY_ROOT, leafHash } from "../../keys/merkle/hashes.js";
import {
  checkpointOrigin,
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from "../../src/protocol/checkpoint.js";
import { formatNoteKey, parseNoteKey, signNote, verifyNote } from "../../src/protocol/note.js";
import { codeOf } from "../keys/code-of.js";
import { key, seed, stream, url } from "./author.js";

const publicKey = publicKeyFromSeed(seed);
const name = "relay.example/log";
const signer = { name, publicKey };
const text = "first line\nsecond line\n";
const note = signNote(text, { name, seed });

describe("a signed note", () => {
  test("has the text, an empty line and a signature line", () => {
    expect(note).toMatch(/^first line\nsecond line\n\n— relay\.example\/log [A-Za-z0-9+/]{91}=\n$/);
    expect(verifyNote(note, [signer])).toEqual({ text, signedBy: [name] });
  });

  test("may have empty lines in its text", () => {
    const gappy = signNote("a\n\n\nb\n", { name, seed });
    expect(verifyNote(gappy, [signer]).text).toBe("a\n\n\nb\n");
  });

  test("with a changed text, or signed by another key of that name and number, is refused", () => {
    expect(codeOf(() => verifyNote(note.replace("first", "First"), [signer]))).toBe("note-signature");
    const stranger = { name, publicKey: publicKeyFromSeed(new Uint8Array(32).fill(1)) };
    expect(codeOf(() => verifyNote(note, [stranger]))).toBe("note-signature");
    expect(codeOf(() => verifyNote(note, []))).toBe("note-signature");
  });

  test("may carry other signatures, which are passed over", () => {
    const other = signNote(text, { name: "witness.example", seed: new Uint8Array(32).fill(3) });
    const both = note + other.slice(other.indexOf("\n\n") + 2);
    expect(verifyNote(both, [signer]).signedBy).toEqual([name]);
    const strange = `${note}— timestamper AAAAAAEC\n`;
    expect(verifyNote(strange, [signer]).signedBy).toEqual([name]);
  });

  test("by an older key of the same name beside the new one is verified by the new one", () => {
    const older = signNote(text, { name, seed: new Uint8Array(32).fill(3) });
    const both = older + note.slice(note.indexOf("\n\n") + 2);
    expect(verifyNote(both, [signer])).toEqual({ text, signedBy: [name] });
  });

  test("with a wrong signature of a known key is refused even beside a good one", () => {
    const witness = { name: "witness.example", publicKey: publicKeyFromSeed(new Uint8Array(32).fill(3)) };
    const other = signNote("another text\n", { name: witness.name, seed: new Uint8Array(32).fill(3) });
    const both = note + other.slice(other.indexOf("\n\n") + 2);
    expect(verifyNote(both, [signer]).signedBy).toEqual([name]);
    expect(codeOf(() => verifyNote(both, [signer, witness]))).toBe("note-signature");
  });

  test.each([
    ["no empty line", "text\n— a AAAAAAAA\n"],
    ["no signature", "text\n\n"],
    ["no newline at the end", note.slice(0, -1)],
    ["a line that is no signature", `${note}hello\n`],
    ["a hyphen for the dash", note.replace("—", "-")],
    ["a signature of three fields", note.replace(/\n$/, " x\n")],
    ["a signature that is no base64", note.replace(/=\n$/, "!\n")],
    ["a signature shorter than its key's id", "text\n\n— a AAAA\n"],
    ["a control character", note.replace("first", "fir\tst")],
    ["half a surrogate pair", note.replace("first", "\ud800")],
    ["too many signatures", note + "— a AAAAAAAA\n".repeat(100)],
    ["too many characters", "x".repeat(70_000) + note],
  ])("with %s is none", (_what, wrong) => {
    expect(codeOf(() => verifyNote(wrong, [signer]))).toBe("note-syntax");
  });

  test("is never signed over a text that is none", () => {
    expect(codeOf(() => signNote("no newline", { name, seed }))).toBe("note-syntax");
    expect(codeOf(() => signNote("tab\t\n", { name, seed }))).toBe("note-syntax");
    expect(codeOf(() => signNote(text, { name: "two words", seed }))).toBe("note-key");
  });

  test("has a verifier key that goes to text and back", () => {
    expect(parseNoteKey(formatNoteKey(signer))).toEqual(signer);
    const good = formatNoteKey(signer);
    for (const wrong of ["", "a+b", good.replace("relay", "Relay"), `${good}=`, good.replace("+", " ")]) {
      expect(codeOf(() => parseNoteKey(wrong))).toBe("note-key");
    }
    expect(codeOf(() => formatNoteKey({ name: "a+b", publicKey }))).toBe("note-key");
  });
});

describe("a checkpoint", () => {
  const origin = checkpointOrigin(url, stream);
  const head = { origin, size: 12, root: leafHash(concat()) };

  test("names host and stream, size and root", () => {
    expect(origin).toBe("relay.example/0123456789abcdef");
    expect(checkpointOrigin("ws://127.0.0.1:7777", stream)).toBe("127.0.0.1:7777/0123456789abcdef");
    expect(formatCheckpoint(head)).toBe(`${origin}\n12\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n`);
    expect(parseCheckpoint(formatCheckpoint(head))).toEqual(head);
  });

  test("is verified under the relay's key and for its stream", () => {
    const signed = signCheckpoint(head, seed);
    expect(verifyCheckpoint(signed, { key, stream })).toEqual(head);
    expect(codeOf(() => verifyCheckpoint(signed, { key, stream: "f".repeat(16) }))).toBe("checkpoint-mismatch");
    const stranger = parseNoteKey(
      formatNoteKey({ name: origin, publicKey: publicKeyFromSeed(new Uint8Array(32).fill(1)) }),
    );
    expect(codeOf(() => verifyNote(signed, [stranger]))).toBe("note-signature");
    expect(codeOf(() => verifyCheckpoint(signed.replace("\n12\n", "\n13\n"), { key, stream }))).toBe("note-signature");
    expect(codeOf(() => verifyCheckpoint("", { key, stream }))).toBe("note-syntax");
  });

  test("of an empty log has the root of nothing", () => {
    const empty = { origin, size: 0, root: EMPTY_ROOT };
    expect(parseCheckpoint(formatCheckpoint(empty))).toEqual(empty);
    expect(codeOf(() => formatCheckpoint({ ...head, size: 0 }))).toBe("checkpoint-syntax");
  });

  test("may say more, which is passed over", () => {
    expect(parseCheckpoint(`${formatCheckpoint(head)}more\n`)).toEqual(head);
  });

  const root = "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=";
  test.each([
    "",
    `\n12\n${root}\n`,
    `relay.example\n12\n${root}\n`,
    `${origin}\n012\n${root}\n`,
    `${origin}\n-1\n${root}\n`,
    `${origin}\n9007199254740992\n${root}\n`,
    `${origin}\n12\n${root.slice(4)}\n`,
    `${origin}\n12\n${root}`,
    `${origin}\n12\n${root}\n\n`,
    `${origin}\n12\n`,
  ])("%j is none", (wrong) => {
    expect(codeOf(() => parseCheckpoint(wrong))).toBe("checkpoint-syntax");
  });
});
