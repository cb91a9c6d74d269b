import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { isAntsError } from "../../keys/errors.js";
import { encodeFrame } from "../../src/protocol/frame.js";
import { DEFAULT_LIMITS, MAX_BRANCHES_TOLD } from "../../src/protocol/limits.js";
import { parseClientMessage, parseRelayMessage, readClientFrame, readRelayFrame } from "../../src/protocol/messages.js";
import { codeOf } from "../keys/code-of.js";
import { did, genesis, key, stream, url } from "./author.js";

const cursor = `${stream}.7.00112233`;
const id = "ab".repeat(32);
const head = { epoch: 3, seq: 9, id };
const relay = {
  name: "first",
  url,
  stream,
  key,
  limits: { ...DEFAULT_LIMITS },
  policy: { durability: "fsync", hosting: "open" },
  software: "ants-agent/0.1.0",
} as const;
const hello = { t: "hello", v: 1, relay, challenge: "A".repeat(43), head: { cursor, checkpoint: "text" } } as const;
type Row = [message: Record<string, unknown>, entries: number];

const fromClient: Row[] = [
  [{ t: "publish", ref: 1 }, 1],
  [{ t: "publish", ref: 1, epoch: 5 }, 256],
  [{ t: "promise", ref: 2 }, 1],
  [{ t: "promise", ref: 2 }, 2],
  [{ t: "promise", ref: 2 }, 1 + MAX_BRANCHES_TOLD],
  [{ t: "follow", ref: 3, after: cursor, filter: {}, live: true }, 0],
  [{ t: "follow", ref: 3, after: "start", filter: { dids: [did], types: ["event"] }, live: false, allowGap: true }, 0],
  [{ t: "follow", ref: 3, after: "head", filter: {}, live: true }, 0],
  [{ t: "unfollow", ref: 3 }, 0],
  [{ t: "auth", ref: 4 }, 1],
];

const refusal = { code: "fenced", message: "no", retryable: false };
const fromRelay: Row[] = [
  [hello, 0],
  [{ t: "ack", ref: 1, at: [101, 102] }, 0],
  [{ t: "ack", ref: 4 }, 0],
  [{ t: "refused", ref: 1, i: 1, at: [101], head, promised: 6, ...refusal }, 0],
  [{ t: "refused", ...refusal, retryable: true, retryAfterMs: 50, details: { limit: "entriesPerSecond" } }, 0],
  [{ t: "promised", ref: 2, epoch: 5, head, identity: genesis.hash }, 1],
  [{ t: "promised", ref: 2, epoch: 5, identity: genesis.hash }, 1],
  [
    { t: "promised", ref: 2, epoch: 5, identity: genesis.hash, branches: Array(MAX_BRANCHES_TOLD).fill(genesis.hash) },
    1,
  ],
  [{ t: "entries", ref: 3, at: [1, 3], withheld: [{ at: 2, id, did, seq: 0 }], cursor }, 2],
  [{ t: "entries", ref: 0, at: [], cursor }, 0],
  [{ t: "caught-up", ref: 3, cursor }, 0],
  [{ t: "head", ref: 3, cursor, checkpoint: "text" }, 0],
  [{ t: "ended", ref: 3, cursor }, 0],
  [{ t: "ended", ref: 3, ...refusal, cursor }, 0],
];

describe("every message is read as it was written", () => {
  test.each(fromClient)("from a client: %j", (message, entries) => {
    expect(parseClientMessage(message, entries)).toEqual(message);
  });
  test.each(fromRelay)("from a relay: %j", (message, entries) => {
    expect(parseRelayMessage(message, entries)).toEqual(message);
  });
  test("and fields of a later version are passed over", () => {
    expect(parseClientMessage({ t: "auth", ref: 4, colour: "red" }, 1)).toEqual({ t: "auth", ref: 4 });
    expect(parseRelayMessage({ t: "ack", ref: 4, colour: "red" }, 0)).toEqual({ t: "ack", ref: 4 });
  });
});

test("a follow wants everything and stays, unless it says otherwise", () => {
  const follow = parseClientMessage({ t: "follow", ref: 1, after: "start" }, 0);
  expect(follow).toEqual({ t: "follow", ref: 1, after: "start", filter: {}, live: true });
});

describe("a client's message is refused", () => {
  test.each<[Record<string, unknown>, number, string, string | undefined]>([
    [{}, 0, "bad-message", "t"],
    [{ t: 1, ref: 1 }, 0, "bad-message", "t"],
    [{ t: "shout", ref: 1 }, 0, "unknown-message", undefined],
    [{ t: "hello", ref: 1 }, 0, "unknown-message", undefined],
    [{ t: "publish" }, 1, "bad-message", "ref"],
    [{ t: "publish", ref: -1 }, 1, "bad-message", "ref"],
    [{ t: "publish", ref: "1" }, 1, "bad-message", "ref"],
    [{ t: "publish", ref: 1 }, 0, "bad-message", "entries"],
    [{ t: "publish", ref: 1, epoch: 0 }, 1, "bad-message", "epoch"],
    [{ t: "promise", ref: 1 }, 0, "bad-message", "entries"],
    [{ t: "promise", ref: 1 }, 2 + MAX_BRANCHES_TOLD, "bad-message", "entries"],
    [{ t: "auth", ref: 1 }, 0, "bad-message", "entries"],
    [{ t: "auth", ref: 1 }, 2, "bad-message", "entries"],
    [{ t: "unfollow", ref: 1 }, 1, "bad-message", "entries"],
    [{ t: "follow", ref: 1, after: "start" }, 1, "bad-message", "entries"],
    [{ t: "follow", ref: 1 }, 0, "bad-message", "after"],
    [{ t: "follow", ref: 1, after: "now" }, 0, "cursor-syntax", undefined],
    [{ t: "follow", ref: 1, after: "start", live: "yes" }, 0, "bad-message", "live"],
    [{ t: "follow", ref: 1, after: "start", allowGap: 1 }, 0, "bad-message", "allowGap"],
    [{ t: "follow", ref: 1, after: "start", filter: { kinds: [] } }, 0, "bad-filter", "kinds"],
    [{ t: "follow", ref: 1, after: "start", filter: [] }, 0, "bad-filter", "filter"],
  ])("%j with %i entries: %s", (message, entries, code, field) => {
    try {
      parseClientMessage(message, entries);
      expect.unreachable();
    } catch (error) {
      if (!isAntsError(error)) throw error;
      expect(error.code).toBe(code);
      if (field !== undefined) expect(error.details.field).toBe(field);
      expect(error.details.ref).toBe(message.ref === 1 ? 1 : undefined);
    }
  });
});

describe("a relay's message is refused", () => {
  test.each<[Record<string, unknown>, number, string]>([
    [{ t: "publish", ref: 1 }, 0, "unknown-message"],
    [{ ...hello, v: 2 }, 0, "version-unsupported"],
    [{ ...hello, v: "1" }, 0, "bad-message"],
    [{ ...hello, challenge: "short" }, 0, "bad-message"],
    [{ ...hello, head: { cursor: "x", checkpoint: "" } }, 0, "cursor-syntax"],
    [{ ...hello, head: "x" }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, url: "https://relay.example" } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, stream: "x" } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, key: "x" } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, name: 1 } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, software: "x".repeat(2000) } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, limits: { maxFollows: -1 } } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, limits: { maxFrameEntries: 0 } } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, limits: { maxFrameBytes: 0 } } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, policy: { durability: "hope", hosting: "open" } } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, policy: { durability: "fsync", hosting: "x" } } }, 0, "bad-message"],
    [{ ...hello, relay: { ...relay, policy: { ...relay.policy, powBits: 0.5 } } }, 0, "bad-message"],
    [hello, 1, "bad-message"],
    [{ t: "ack", ref: 1, at: [0] }, 0, "bad-message"],
    [{ t: "ack", ref: 1, at: 7 }, 0, "bad-message"],
    [{ t: "refused", ref: 1, code: "Not A Code", message: "" }, 0, "bad-message"],
    [{ t: "refused", ref: 1, ...refusal, message: 1 }, 0, "bad-message"],
    [{ t: "refused", ref: 1, ...refusal, retryable: "yes" }, 0, "bad-message"],
    [{ t: "refused", ref: 1, ...refusal, head: { epoch: 0, seq: 0, id } }, 0, "bad-message"],
    [{ t: "refused", ref: 1, ...refusal, details: [] }, 0, "bad-message"],
    [{ t: "promised", ref: 1, epoch: 1, identity: "x" }, 1, "bad-message"],
    [{ t: "promised", ref: 1, epoch: 1, identity: genesis.hash, branches: ["x"] }, 1, "bad-message"],
    [{ t: "promised", ref: 1, epoch: 1, identity: genesis.hash, branches: genesis.hash }, 1, "bad-message"],
    [
      { t: "promised", ref: 1, epoch: 1, identity: genesis.hash, branches: Array(33).fill(genesis.hash) },
      1,
      "bad-message",
    ],
    [{ t: "promised", ref: 1, epoch: 1, identity: genesis.hash }, 0, "bad-message"],
    [{ t: "entries", ref: 1, at: [1], cursor }, 2, "bad-message"],
    [{ t: "entries", ref: 1, at: [2, 1], cursor }, 2, "bad-message"],
    [{ t: "entries", ref: 1, at: [1, 1], cursor }, 2, "bad-message"],
    [{ t: "entries", ref: 1, at: [], cursor, withheld: [{ at: 1, id, did: "x", seq: 0 }] }, 0, "bad-message"],
    [{ t: "entries", ref: 1, at: [], cursor, withheld: [null] }, 0, "bad-message"],
    [{ t: "entries", ref: 1, at: [], cursor, withheld: {} }, 0, "bad-message"],
    [{ t: "entries", ref: 1, at: [], cursor: 7 }, 0, "bad-message"],
    [{ t: "head", ref: 1, cursor }, 0, "bad-message"],
    [{ t: "caught-up", ref: 1, cursor: "x" }, 0, "cursor-syntax"],
  ])("%j with %i entries: %s", (message, entries, code) => {
    expect(codeOf(() => parseRelayMessage(message, entries))).toBe(code);
  });
});

test("a relay that states some limits has the defaults of the others", () => {
  const message = parseRelayMessage({ ...hello, relay: { ...relay, limits: { maxFollows: 3 } } }, 0);
  expect(message).toMatchObject({ relay: { limits: { ...DEFAULT_LIMITS, maxFollows: 3 } } });
  const { limits: _, ...silent } = relay;
  expect(parseRelayMessage({ ...hello, relay: silent }, 0)).toMatchObject({ relay: { limits: DEFAULT_LIMITS } });
});

test("a frame is split and read in one go", () => {
  const { message, entries } = readClientFrame(encodeFrame({ t: "publish", ref: 9 }, ["one", "two"]));
  expect(message).toEqual({ t: "publish", ref: 9 });
  expect(entries).toHaveLength(2);
  expect(readRelayFrame(encodeFrame({ t: "ack", ref: 9, at: [1] })).message).toEqual({ t: "ack", ref: 9, at: [1] });
});

test("no envelope whatever is answered with anything but a documented refusal", () => {
  const codes = [
    "nothing thrown",
    "bad-message",
    "unknown-message",
    "bad-filter",
    "cursor-syntax",
    "version-unsupported",
  ];
  const field = fc.oneof(fc.jsonValue(), fc.constantFrom(1, "start", cursor, id, relay, head, [1], [{}]));
  const t = fc.constantFrom(...[...fromClient, ...fromRelay].map(([message]) => message.t as string));
  const names = [
    "ref",
    "at",
    "cursor",
    "filter",
    "after",
    "live",
    "epoch",
    "head",
    "relay",
    "code",
    "withheld",
    "identity",
  ];
  const envelope = fc
    .tuple(t, fc.dictionary(fc.constantFrom(...names), field))
    .map(([type, rest]) => ({ t: type, ...rest }));
  fc.assert(
    fc.property(envelope, fc.nat(3), (message, entries) => {
      const text = utf8(`${JSON.stringify(message)}\n${"x\n".repeat(entries)}`);
      expect(codes).toContain(codeOf(() => readClientFrame(text)));
      expect(codes).toContain(codeOf(() => readRelayFrame(text)));
    }),
    { numRuns: 1000 },
  );
});
