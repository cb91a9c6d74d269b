import { describe, expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { createAuth, parseAuth } from "../../src/protocol/auth.js";
import { verifyEventSignature } from "../../src/protocol/batch.js";
import { parseEntry } from "../../src/protocol/entry.js";
import { errorRow } from "../../src/protocol/errors.js";
import { pruneEvent } from "../../src/protocol/event.js";
import { createPromise } from "../../src/protocol/promise.js";
import { badSignature } from "../../src/protocol/statement.js";
import { batch, did, genesis, instance, note, one, otherDid, seed, stream, timeMs, url } from "./author.js";

/** Reads an entry as a relay does: every check there is before the question of who may write. */
function readEntry(line: Uint8Array): void {
  const entry = parseEntry(line);
  if (entry.type === "event" && !verifyEventSignature(entry)) throw badSignature("event");
}

const long = note("flip me", { to: [otherDid], tags: ["build", "night"], salt: true });
const lines: [string, string, (line: Uint8Array) => unknown][] = [
  ["an event of a batch", batch([note("first"), long, note("third")])[1]!.line, readEntry],
  ["an event alone", one(long).line, readEntry],
  ["a pruned event", pruneEvent(batch([long, note("second")])[0]!.line), readEntry],
  [
    "a promise",
    createPromise({
      did,
      epoch: 3,
      stream,
      instance,
      timeMs,
      takeover: true,
      after: instance,
      handover: genesis.hash,
      seed,
    }),
    readEntry,
  ],
  ["an identity operation", genesis.line, readEntry],
  ["an auth line", createAuth({ did, instance, relay: url, challenge: "A".repeat(43), timeMs, seed }), parseAuth],
];

describe("one bit flipped in any byte is refused with a documented code", () => {
  test.each(lines)("%s", (_what, text, read) => {
    const line = utf8(text);
    expect(() => read(line)).not.toThrow();
    const accepted: string[] = [];
    for (let at = 0; at < line.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const wrong = line.slice();
        wrong[at]! ^= 1 << bit;
        try {
          read(wrong);
          accepted.push(`byte ${at} (${text[at]}), bit ${bit}`);
        } catch (error) {
          if (!(error instanceof AntsError) || errorRow(error.code) === undefined) throw error;
        }
      }
    }
    expect(accepted).toEqual([]);
  });

  test.each(lines)("%s cut short anywhere, or with a byte more, is refused", (_what, text, read) => {
    const line = utf8(text);
    for (let end = 0; end < line.length; end++) expect(() => read(line.subarray(0, end))).toThrow(AntsError);
    expect(() => read(utf8(`${text} `))).toThrow(AntsError);
    expect(() => read(utf8(`${text}\n`))).toThrow(AntsError);
  });
});
