import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { base64url, utf8 } from "../../keys/bytes.js";
import { canonicalize } from "../../keys/canonical.js";
import { sign } from "../../keys/ed25519/index.js";
import { parseEntry } from "../../src/protocol/entry.js";
import { createPromise, parsePromise } from "../../src/protocol/promise.js";
import { codeOf } from "../keys/code-of.js";
import { did, genesis, instance, key, lineOf, note, one, seed, stream, timeMs } from "./author.js";

const asked = { did, epoch: 3, stream, instance, timeMs, seed };
const plain = JSON.parse(createPromise(asked));

function resigned(changes: Record<string, unknown>): Uint8Array {
  const whole = { ...plain, ...changes };
  for (const name of Object.keys(whole)) if (whole[name] === undefined) delete whole[name];
  const { sig: _, ...unsigned } = whole;
  const sig = base64url(sign(utf8(`ants/promise/1\n${canonicalize(unsigned)}`), seed));
  return lineOf({ ...unsigned, sig: "sig" in changes ? changes.sig : sig });
}

describe("a promise", () => {
  test("says what was asked, and its hash is that of what was signed", () => {
    const promise = parsePromise(
      utf8(createPromise({ ...asked, takeover: true, after: instance, handover: genesis.hash })),
    );
    expect(promise.promise).toMatchObject({ did, epoch: 3, stream, instance, time: timeMs, takeover: true, key });
    expect(promise.promise).toMatchObject({ after: instance, handover: genesis.hash });
    const { sig: _, ...unsigned } = promise.promise;
    const hash = createHash("sha256")
      .update(`ants/promise/1\n${canonicalize(unsigned)}`)
      .digest("hex");
    expect(promise).toMatchObject({ type: "promise", id: hash, hash, did });
  });

  test("leaves out what was not said", () => {
    expect(Object.keys(plain).sort()).toEqual([
      "did",
      "epoch",
      "instance",
      "key",
      "sig",
      "stream",
      "time",
      "type",
      "v",
    ]);
    expect(JSON.parse(createPromise({ ...asked, takeover: false }))).not.toHaveProperty("takeover");
  });

  test.each([
    ["type", "promis", "promise-grammar"],
    ["v", 2, "version-unsupported"],
    ["did", "did:ants:x", "promise-grammar"],
    ["epoch", 0, "promise-grammar"],
    ["epoch", undefined, "promise-grammar"],
    ["stream", "0123", "promise-grammar"],
    ["instance", "X".repeat(16), "promise-grammar"],
    ["time", -5, "promise-grammar"],
    ["time", 8_640_000_000_000_001, "promise-grammar"],
    ["takeover", false, "promise-grammar"],
    ["takeover", true, "nothing thrown"],
    ["after", "x", "promise-grammar"],
    ["after", instance, "nothing thrown"],
    ["handover", instance, "promise-grammar"],
    ["key", "z6Mk", "promise-grammar"],
    ["sig", "A".repeat(86), "bad-signature"],
    ["sig", "A".repeat(80), "promise-grammar"],
    ["more", 1, "promise-grammar"],
  ])("%s = %j: %s", (field, value, code) => {
    expect(codeOf(() => parsePromise(resigned({ [field]: value })))).toBe(code);
  });
});

describe("an entry", () => {
  test("is told apart by its type", () => {
    const event = one(note("hello"));
    expect(parseEntry(utf8(event.line))).toMatchObject({ type: "event", id: event.id, did });
    expect(parseEntry(lineOf(plain))).toMatchObject({ type: "promise", did });
    const identity = parseEntry(utf8(genesis.line));
    expect(identity).toMatchObject({ type: "identity", id: genesis.hash, did });
  });

  test("of any other type is refused", () => {
    expect(codeOf(() => parseEntry(lineOf({ type: "auth" })))).toBe("entry-type");
    expect(codeOf(() => parseEntry(lineOf({})))).toBe("entry-type");
    expect(codeOf(() => parseEntry(lineOf(["event"])))).toBe("json-not-object");
  });
});
