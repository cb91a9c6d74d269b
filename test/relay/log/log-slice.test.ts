import { describe, expect, it } from "vitest";
import { utf8 } from "../../../keys/bytes.js";
import { addressedIn, entriesOf, type LogSlice } from "../../../relay/log/log-slice.js";
import { pruneEvent } from "../../../src/protocol/event.js";
import { createPromise } from "../../../src/protocol/promise.js";
import { did, genesis, instance, note, one, otherDid, seed, stream, timeMs } from "../../protocol/author.js";

function sliceOf(lines: readonly string[]): LogSlice {
  const each = lines.map((line) => utf8(`${line}\n`));
  const lengths = Uint32Array.from(each, ({ length }) => length);
  return { first: 7, count: lines.length, bytes: Buffer.concat(each), lengths };
}

/** Text that looks like the end of an addressed event, in every place where an author can put text. */
const IMITATION = `"to":["${otherDid}"],"type":"event","v":1}`;

describe("a slice of the log", () => {
  it("gives its lines with their positions", () => {
    const lines = [one(note("a")).line, one(note("b")).line];
    const found = [...entriesOf(sliceOf(lines))];
    expect(found.map(({ position }) => position)).toEqual([7, 8]);
    expect(found.map(({ line }) => Buffer.from(line).toString())).toEqual(lines);
  });

  it("tells addressed events from all other lines, whatever their authors wrote", () => {
    const addressed = [
      one(note("x", { to: [otherDid] })).line,
      one(note("x", { to: [otherDid, did], tags: ["t"] })).line,
      one({ kind: "note", body: {}, to: [otherDid], timeMs }).line,
      pruneEvent(one(note("x", { to: [otherDid] })).line),
    ];
    const others = [
      one(note("x")).line,
      one(note("x", { tags: ["t"] })).line,
      one(note(IMITATION)).line,
      one(note("x", { body: { to: [otherDid], type: "event", v: 1 } })).line,
      one(note("x", { body: { z: [[]], 'zz],"type":"event","v":1}': [] } })).line,
      one({ kind: "note", body: {}, timeMs: 0 }).line,
      pruneEvent(one(note(IMITATION)).line),
      genesis.line,
      createPromise({ did, epoch: 1, stream, instance, timeMs, seed }),
    ];
    expect(addressedIn(sliceOf(addressed))).toEqual(addressed.map((_, i) => i));
    expect(addressedIn(sliceOf(others))).toEqual([]);
    expect(addressedIn(sliceOf([others[0]!, addressed[0]!, others[7]!, addressed[3]!]))).toEqual([1, 3]);
    for (const line of [...addressed, ...others]) {
      expect(addressedIn(sliceOf([line]))).toEqual("to" in JSON.parse(line) ? [0] : []);
    }
  });
});
