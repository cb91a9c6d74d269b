import { beforeAll, describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../../keys/bytes.js";
import { canonicalize } from "../../../keys/canonical.js";
import { didOfGenesis } from "../../../keys/did.js";
import { commitmentOf } from "../../../keys/identity/commitment.js";
import { operationHash, type ParsedOperation, parseOperation } from "../../../keys/identity/operation.js";
import type { OperationSignature } from "../../../keys/identity/shape.js";
import { MAX_OPERATION_BYTES } from "../../../keys/limits.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { codeOf } from "../code-of.js";
import { altered, anchor, deactivate, genesis, keyOf, relay, rotate, secret, signLine, update } from "./agent.js";

let born: ParsedOperation;
let updated: ParsedOperation;
let rotated: ParsedOperation;
let ended: ParsedOperation;

beforeAll(() => {
  born = genesis({
    handles: ["scout@relay.example", "scout.example.com"],
    services: [{ id: "api", type: "Http", endpoint: "https://scout.example/api" }],
  });
  updated = update(born, { changes: { handles: [] }, over: [rotate(born, 0)] });
  rotated = rotate(updated, 0, { anchor: anchor(3, 41) });
  ended = deactivate(rotated, 1, anchor(5, 60));
});

const everyKind = () => [born, updated, rotated, ended];
const codeOfLine = (line: string) => codeOf(() => parseOperation(utf8(line)));

describe("a line of an identity log", () => {
  test("is read back as it was made, in all four kinds", () => {
    for (const { line, hash, op } of everyKind()) {
      const read = parseOperation(line);
      expect(read.hash).toBe(hash);
      expect(canonicalize(read.op)).toBe(fromUtf8(line));
      expect(read.did).toBe(born.did);
      expect(operationHash(op)).toBe(hash);
    }
  });

  test("the DID is the hash of the genesis, and every later line names it", () => {
    expect(born.did).toBe(didOfGenesis(born.hash));
    for (const { op } of [updated, rotated, ended]) expect(op.did).toBe(born.did);
  });

  test("names who signed: sign keys, revealed keys and new sign keys, revealed keys", () => {
    expect(born.signers).toEqual([keyOf("hot 0")]);
    expect(updated.signers).toEqual([keyOf("hot 0")]);
    expect(rotated.signers).toEqual([keyOf("recovery 0"), keyOf("hot 1")].sort());
    expect(ended.signers).toEqual([keyOf("recovery 1")]);
  });

  test("is copied from the buffer that it came in", () => {
    const buffer = born.line.slice();
    const read = parseOperation(buffer);
    buffer.fill(0);
    expect(read.line).toEqual(born.line);
  });

  test("the hash leaves out the signatures: a line signed by one of two keys or by both is one operation", () => {
    const pair = genesis({ signSeeds: [secret("hot 0"), secret("second")] });
    const statement = altered(update(pair), {});
    const [one, both] = [["second"], ["hot 0", "second"]].map((by) => parseOperation(utf8(signLine(statement, by))));
    expect(one!.hash).toBe(both!.hash);
    expect(one!.line).not.toEqual(both!.line);
  });

  test("is refused with one bit flipped in any byte", () => {
    for (const { line, op } of everyKind()) {
      const accepted: number[] = [];
      for (let at = 0; at < line.length; at++) {
        const flipped = line.slice();
        flipped[at]! ^= 1 << (at % 8);
        if (codeOf(() => parseOperation(flipped)) === "nothing thrown") accepted.push(at);
      }
      expect(accepted, op.op).toEqual([]);
    }
  });

  test("is refused with a newline, in another key order, or over 8 KiB", () => {
    const line = fromUtf8(born.line);
    expect(codeOfLine(`${line}\n`)).toBe("json-whitespace");
    const { type, ...rest } = JSON.parse(line);
    expect(codeOfLine(JSON.stringify({ type, ...rest }))).toBe("json-key-order");
    const endpoint = (n: number) => ({ id: `s${n}`, type: "T", endpoint: `https://x.example/${"x".repeat(980)}` });
    const services = (count: number) => Array.from({ length: count }, (_, i) => endpoint(i));
    expect(codeOf(() => genesis({ services: services(6) }))).toBe("nothing thrown");
    expect(codeOf(() => genesis({ services: services(8) }))).toBe("json-too-long");
  });

  test("may fill the 8 KiB to the last byte, and not one more", () => {
    const bare = genesis({ services: [{ id: "a", type: "T", endpoint: "x:a" }] });
    let line = fromUtf8(bare.line);
    const pad = (room: number) => {
      const services = Array.from({ length: Math.ceil(room / 900) }, (_, i) => ({
        id: `s${i}`,
        type: "T",
        endpoint: "x:a",
      }));
      let left = room - (canonicalize(services).length - canonicalize(bare.op.services).length);
      for (const service of services) {
        const more = Math.min(left, 900);
        service.endpoint += "a".repeat(more);
        left -= more;
      }
      return signLine(altered(bare, { services }), ["hot 0"]);
    };
    line = pad(MAX_OPERATION_BYTES - line.length);
    expect(line).toHaveLength(MAX_OPERATION_BYTES);
    expect(codeOfLine(line)).toBe("nothing thrown");
    expect(codeOfLine(pad(MAX_OPERATION_BYTES + 1 - bare.line.length))).toBe("json-too-long");
  });
});

describe("the grammar", () => {
  const hash = "ab".repeat(32);
  const two = (item: unknown) => [item, item];
  const cases: readonly [
    kind: "genesis" | "update" | "rotate" | "deactivate",
    fields: Record<string, unknown>,
    field: string,
  ][] = [
    ["genesis", { type: "event" }, "type"],
    ["genesis", { v: 2 }, "v"],
    ["genesis", { op: "create" }, "op"],
    ["genesis", { op: "__proto__" }, "op"],
    ["genesis", { n: 1 }, "n"],
    ["genesis", { extra: 1 }, "operation.extra"],
    ["genesis", { did: "did:ants:x" }, "operation.did"],
    ["genesis", { prev: hash }, "operation.prev"],
    ["genesis", { over: [hash] }, "operation.over"],
    ["genesis", { reveal: [keyOf("recovery 0")] }, "operation.reveal"],
    ["genesis", { anchor: anchor(1, 0) }, "operation.anchor"],
    ["genesis", { time: undefined }, "operation.time"],
    ["genesis", { time: -1 }, "time"],
    ["genesis", { time: "0" }, "time"],
    ["genesis", { keys: [] }, "keys"],
    ["genesis", { keys: { sign: [keyOf("hot 0")] } }, "keys.agree"],
    ["genesis", { keys: { sign: [], agree: born_("agree") } }, "keys.sign"],
    ["genesis", { keys: { sign: two(keyOf("hot 0")), agree: born_("agree") } }, "keys.sign[1]"],
    ["genesis", { keys: { sign: [born_("agree")], agree: born_("agree") } }, "keys.sign[0]"],
    ["genesis", { keys: { sign: [keyOf("hot 0")], agree: keyOf("hot 0") } }, "keys.agree"],
    ["genesis", { escrow: keyOf("hot 0") }, "escrow"],
    ["genesis", { escrow: "z6LS" }, "escrow"],
    ["genesis", { recovery: { commit: [], threshold: 1 } }, "recovery.commit"],
    ["genesis", { recovery: { commit: two(hash), threshold: 1 } }, "recovery.commit[1]"],
    ["genesis", { recovery: { commit: ["AB".repeat(32)], threshold: 1 } }, "recovery.commit[0]"],
    ["genesis", { recovery: { commit: [hash], threshold: 2 } }, "recovery.threshold"],
    ["genesis", { recovery: { commit: [hash], threshold: 0 } }, "recovery.threshold"],
    ["genesis", { recovery: { commit: [hash], threshold: 1, more: 1 } }, "recovery.more"],
    ["genesis", { relays: {} }, "relays"],
    ["genesis", { relays: two(relay("a")) }, "relays[1].stream"],
    ["genesis", { relays: [relay("a"), { ...relay("b"), url: relay("a").url }] }, "relays[1]"],
    ["genesis", { relays: [relay("a"), { ...relay("b"), stream: relay("a").stream }] }, "relays[1].stream"],
    ["genesis", { relays: [{ ...relay("a"), url: "https://a.example" }] }, "relays[0].url"],
    ["genesis", { relays: [{ ...relay("a"), url: "wss://a.example/" }] }, "relays[0].url"],
    ["genesis", { relays: [{ ...relay("a"), stream: "0123" }] }, "relays[0].stream"],
    ["genesis", { relays: [{ url: relay("a").url }] }, "relays[0].stream"],
    ["genesis", { faults: 1 }, "faults"],
    ["genesis", { faults: -1 }, "faults"],
    ["genesis", { handles: two("scout.example.com") }, "handles[1]"],
    ["genesis", { handles: ["Scout.example.com"] }, "handles[0]"],
    ["genesis", { services: [{ id: "a", type: "T" }] }, "services[0].endpoint"],
    ["genesis", { services: [{ id: "#a", type: "T", endpoint: "https://a.example" }] }, "services[0].id"],
    ["genesis", { services: [{ id: "a", type: "", endpoint: "https://a.example" }] }, "services[0].type"],
    ["genesis", { services: [{ id: "a", type: "T", endpoint: "a.example" }] }, "services[0].endpoint"],
    ["genesis", { services: [{ id: "a", type: "T", endpoint: "https://a.example/<b>" }] }, "services[0].endpoint"],
    ["genesis", { services: two({ id: "a", type: "T", endpoint: "https://a.example" }) }, "services[1]"],
    ["update", { n: 0 }, "n"],
    ["update", { did: undefined }, "operation.did"],
    ["update", { did: "did:ants:abc" }, "did"],
    ["update", { prev: "ab" }, "prev"],
    ["update", { over: [] }, "over"],
    ["update", { over: two(hash) }, "over[1]"],
    ["update", { over: Array.from({ length: 17 }, (_, i) => `${hash.slice(2)}${10 + i}`) }, "over"],
    ["update", { reveal: [keyOf("recovery 0")] }, "operation.reveal"],
    ["update", { anchor: anchor(1, 0) }, "operation.anchor"],
    ["rotate", { over: [hash] }, "operation.over"],
    ["rotate", { reveal: undefined }, "operation.reveal"],
    ["rotate", { reveal: [] }, "reveal"],
    ["rotate", { reveal: two(keyOf("recovery 0")) }, "reveal[1]"],
    ["rotate", { anchor: { ...anchor(1, 0), epoch: 0 } }, "anchor.epoch"],
    ["rotate", { anchor: { ...anchor(1, 0), seq: -1 } }, "anchor.seq"],
    ["rotate", { anchor: { ...anchor(1, 0), id: "" } }, "anchor.id"],
    ["rotate", { anchor: { epoch: 1, seq: 0 } }, "anchor.id"],
    ["deactivate", { keys: { sign: [keyOf("hot 5")], agree: born_("agree") } }, "keys.sign"],
    ["deactivate", { recovery: { commit: [hash], threshold: 0 } }, "recovery.commit"],
    ["deactivate", { recovery: { commit: [], threshold: 1 } }, "recovery.threshold"],
    ["deactivate", { over: [hash] }, "operation.over"],
  ];

  function born_(name: string): string {
    return encodeMultikey(secret(name), "x25519");
  }

  test.each(cases)("%s with %j is refused for its %s", (kind, fields, field) => {
    const { op } = everyKind().find((operation) => operation.op.op === kind)!;
    const { sigs, ...statement } = { ...op, ...fields } as Record<string, unknown>;
    const line = canonicalize(
      Object.fromEntries([...Object.entries(statement), ["sigs", sigs]].filter(([, v]) => v !== undefined)),
    );
    try {
      parseOperation(utf8(line));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "identity-grammar", details: { field } });
    }
  });

  test.each([
    ["none", "sigs", () => []],
    ["out of order", "sigs", (sigs) => sigs.toReversed()],
    ["one twice", "sigs", (sigs) => [sigs[0]!, sigs[0]!]],
    ["one too short", "sigs[0].sig", (sigs) => sigs.with(0, { ...sigs[0]!, sig: "A".repeat(85) })],
    ["stray bits", "sigs", (sigs) => sigs.with(0, { ...sigs[0]!, sig: "_".repeat(86) })],
    ["a field too many", "sigs[0].alg", (sigs) => sigs.with(0, { ...sigs[0]!, alg: "none" } as OperationSignature)],
  ] as readonly [string, string, (sigs: readonly OperationSignature[]) => readonly OperationSignature[]][])(
    "signatures are whole, sorted and without duplicates: %s",
    (_, field, change) => {
      const line = canonicalize({ ...rotated.op, sigs: change(rotated.op.sigs) });
      expect(() => parseOperation(utf8(line))).toThrow(
        expect.objectContaining({ code: "identity-grammar", details: { field } }),
      );
    },
  );

  test("n, time and anchors may be as large as integers are safe, and lists without members may be empty", () => {
    const statement = altered(updated, { n: Number.MAX_SAFE_INTEGER, time: 0, relays: [], handles: [], services: [] });
    expect(codeOfLine(signLine(statement, ["hot 0"]))).toBe("nothing thrown");
    const far = { epoch: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER, id: "00".repeat(32) };
    expect(codeOfLine(signLine(altered(rotated, { anchor: far }), ["recovery 0", "hot 1"]))).toBe("nothing thrown");
  });

  test("f liars take 3f + 1 relays", () => {
    const relays = ["a", "b", "c", "d", "e", "f"].map(relay);
    expect(codeOf(() => genesis({ relays: relays.slice(0, 4), faults: 1 }))).toBe("nothing thrown");
    expect(codeOf(() => genesis({ relays: relays.slice(0, 3), faults: 1 }))).toBe("identity-grammar");
    expect(codeOf(() => genesis({ relays, faults: 2 }))).toBe("identity-grammar");
  });
});

describe("signatures", () => {
  test("every sign key of a genesis signs it, nobody else does", () => {
    const pair = genesis({ signSeeds: [secret("hot 0"), secret("second")] });
    expect(codeOfLine(signLine(altered(pair, {}), ["hot 0"]))).toBe("identity-signers");
    expect(codeOfLine(signLine(altered(pair, {}), ["hot 0", "second", "stranger"]))).toBe("identity-signers");
  });

  test("sign keys sign an update, nobody else does", () => {
    expect(codeOfLine(signLine(altered(updated, {}), ["stranger"]))).toBe("identity-signers");
    expect(codeOfLine(signLine(altered(updated, {}), ["recovery 0"]))).toBe("identity-signers");
  });

  test("a rotate is signed by what it reveals and by all its new keys", () => {
    for (const by of [["recovery 0"], ["hot 1"], ["recovery 0", "hot 1", "hot 0"]]) {
      expect(codeOfLine(signLine(altered(rotated, {}), by))).toBe("identity-signers");
    }
  });

  test("a deactivate is signed by what it reveals", () => {
    expect(codeOfLine(signLine(altered(ended, {}), ["recovery 1", "hot 1"]))).toBe("identity-signers");
  });

  test("of another operation is none of this one", () => {
    const statement = { ...updated.op, time: updated.op.time + 1 };
    expect(codeOfLine(canonicalize(statement))).toBe("identity-signature");
  });
});

describe("the two powers", () => {
  test("never meet in one key", () => {
    const keys = born.op.keys.sign;
    const commit = [commitmentOf(keyOf("hot 0"), keys)];
    const statement = altered(born, { recovery: { commit, threshold: 1 } });
    expect(codeOfLine(signLine(statement, ["hot 0"]))).toBe("identity-key-reuse");
    const takeover = altered(rotated, { keys: { ...rotated.op.keys, sign: [keyOf("recovery 0")] } });
    expect(codeOfLine(signLine(takeover, ["recovery 0"]))).toBe("identity-key-reuse");
  });

  test("a key that is revealed is not committed to again in the same breath", () => {
    const commit = [commitmentOf(keyOf("recovery 0"), rotated.op.keys.sign)];
    const statement = altered(rotated, { recovery: { commit, threshold: 1 } });
    expect(codeOfLine(signLine(statement, ["recovery 0", "hot 1"]))).toBe("identity-key-reuse");
  });
});
