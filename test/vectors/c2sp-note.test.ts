import { expect, test } from "vitest";
import { formatNoteKey, parseNoteKey, verifyNote } from "../../src/protocol/note.js";
import { codeOf } from "../keys/code-of.js";
import { describeVectors } from "./shared-vectors.js";

describeVectors("C2SP signed note", "c2sp-note", (origin) => {
  const note = origin.text("example.note");
  const verifier = origin.text("example.vkey");

  test("verifies with its key, and not with a letter changed", () => {
    const key = parseNoteKey(verifier.trim());
    expect(`${formatNoteKey(key)}\n`).toBe(verifier);
    expect(verifyNote(note, [key])).toEqual({ text: "This is an example message.\n", signedBy: ["example.com/foo"] });
    expect(codeOf(() => verifyNote(note.replace("example", "Example"), [key]))).toBe("note-signature");
  });
});
