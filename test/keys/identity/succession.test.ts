import { beforeAll, describe, expect, test } from "vitest";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { commitmentOf } from "../../../keys/identity/commitment.js";
import type { RotateInput } from "../../../keys/identity/create.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import { OperationSet } from "../../../keys/identity/operation-set.js";
import { MAX_UPDATES_AN_ERA } from "../../../keys/limits.js";
import { altered, anchor, deactivate, genesis, keyOf, relay, rotate, secret, signOperation, update } from "./agent.js";

let born: ParsedOperation;
let rotated: ParsedOperation;
beforeAll(() => {
  born = genesis();
  rotated = rotate(born, 0);
});

const recovery = (index: number) => publicKeyFromSeed(secret(`recovery ${index}`));

/** What a set that holds `path` answers to `last`: "added", or the code of the refusal. */
function judge(path: readonly ParsedOperation[], last: ParsedOperation): string {
  const joined = new OperationSet(path[0]!.did, path).add(last);
  return joined.status === "refused" ? joined.reason.code : joined.status;
}

describe("an update", () => {
  test.each([
    ["other sign keys", { keys: { sign: [keyOf("thief")], agree: "" } }, "thief"],
    ["another commitment", { recovery: { commit: ["ab".repeat(32)], threshold: 1 } }, "hot 0"],
    ["another escrow key", { escrow: "" }, "hot 0"],
  ])("with %s is refused", (_, fields, by) => {
    const { agree } = born.op.keys;
    const repaired = JSON.parse(JSON.stringify(fields), (key, value) =>
      value === "" && (key === "agree" || key === "escrow") ? agree : value,
    );
    expect(judge([born], signOperation(altered(update(born), repaired), [by]))).toBe("identity-update-scope");
  });

  test("with the same sign keys in another order is refused: a copy is a copy, byte for byte", () => {
    const pair = genesis({ signSeeds: [secret("hot 0"), secret("second")] });
    const keys = { ...pair.op.keys, sign: pair.op.keys.sign.toReversed() };
    expect(judge([pair], signOperation(altered(update(pair), { keys }), ["second"]))).toBe("identity-update-scope");
  });

  test("with a lower threshold is refused", () => {
    const shared = genesis({ recoveryKeys: [recovery(0), recovery(1)], threshold: 2 });
    const lowered = altered(update(shared), { recovery: { ...shared.op.recovery, threshold: 1 } });
    expect(judge([shared], signOperation(lowered, ["hot 0"]))).toBe("identity-update-scope");
  });

  test("by any one of several live keys is fine", () => {
    const pair = genesis({ signSeeds: [secret("hot 0"), secret("second")] });
    expect(judge([pair], update(pair, { by: "second" }))).toBe("added");
  });

  test("skipping a number, or of another agent, is refused", () => {
    expect(judge([born], signOperation(altered(update(born), { n: 2 }), ["hot 0"]))).toBe("identity-number");
    const other = genesis({ handles: ["other.example.com"] });
    expect(judge([born], other)).toBe("identity-did");
    expect(judge([born], update(other))).toBe("identity-did");
    expect(judge([born], signOperation(altered(update(born), { did: other.did }), ["hot 0"]))).toBe("identity-did");
  });

  test("that says it wins over its own ancestors is refused", () => {
    const first = update(born);
    const second = update(first);
    expect(judge([born, first, second], update(second, { over: [first] }))).toBe("identity-over");
    expect(judge([born, first, second], update(second, { over: [born] }))).toBe("identity-over");
    expect(judge([born, first, second], update(first, { over: [second] }))).toBe("added");
  });

  test("after a deactivate is refused, as is everything else", () => {
    const ended = deactivate(born, 0);
    const after = { n: 2, prev: ended.hash };
    expect(judge([born, ended], signOperation(altered(update(born), after), ["hot 0"]))).toBe("identity-ended");
    const revived = signOperation(altered(rotated, after), ["recovery 0", "hot 1"]);
    expect(judge([born, ended], revived)).toBe("identity-ended");
  });

  test(`number ${MAX_UPDATES_AN_ERA + 1} of an era is refused; a rotate and a deactivate never are`, () => {
    const set = new OperationSet(born.did, [born]);
    let head = born;
    for (let i = 0; i < MAX_UPDATES_AN_ERA; i++) {
      head = update(head);
      expect(set.add(head).status).toBe("added");
    }
    const full = set.add(update(head));
    expect(full).toMatchObject({ status: "refused", reason: { code: "identity-era-full" } });
    const turned = rotate(head, 0);
    expect(set.add(turned).status).toBe("added");
    expect(set.add(deactivate(head, 0)).status).toBe("added");
    expect(set.add(update(turned)).status).toBe("added");
  });
});

describe("a rotate", () => {
  test("with a key that nobody committed to is refused", () => {
    const stolen = altered(rotated, { reveal: [keyOf("thief")] });
    expect(judge([born], signOperation(stolen, ["thief", "hot 1"]))).toBe("identity-unauthorised");
  });

  test("with the key of the era before or after is refused", () => {
    const again = altered(rotated, { n: 2, prev: rotated.hash, keys: { ...rotated.op.keys, sign: [keyOf("hot 2")] } });
    expect(judge([born, rotated], signOperation(again, ["recovery 0", "hot 2"]))).toBe("identity-unauthorised");
    const commit = [commitmentOf(keyOf("recovery 2"), rotated.op.keys.sign)];
    const early = altered(rotated, { reveal: [keyOf("recovery 1")], recovery: { commit, threshold: 1 } });
    expect(judge([born], signOperation(early, ["recovery 1", "hot 1"]))).toBe("identity-unauthorised");
  });

  test("reveals as many keys as the threshold says, and none besides", () => {
    const shared = genesis({ recoveryKeys: [0, 1, 2].map((i) => recovery(i)), threshold: 2 });
    const revealSeeds = [secret("recovery 0"), secret("recovery 1")];
    const sample = rotate(shared, 2, { revealSeeds, newSignSeeds: [secret("hot 2")], changes: { threshold: 1 } });
    const by = (...names: string[]) => {
      const reveal = names.map(keyOf);
      const next = altered(sample, {
        reveal,
      });
      return judge([shared], signOperation(next, [...names, "hot 2"]));
    };
    expect(by("recovery 0", "recovery 2")).toBe("added");
    expect(by("recovery 0", "recovery 1", "recovery 2")).toBe("added");
    expect(by("recovery 0")).toBe("identity-unauthorised");
    expect(by("recovery 0", "thief")).toBe("identity-unauthorised");
    expect(by("recovery 0", "recovery 1", "thief")).toBe("identity-unauthorised");
  });

  test("with a commitment that was copied from another agent authorises nobody", () => {
    const copy = genesis({ signSeeds: [secret("thief")], recoveryKeys: [recovery(5)] });
    const copied = signOperation(altered(copy, { recovery: born.op.recovery }), ["thief"]);
    const attempt = altered(rotated, { did: copied.did, prev: copied.hash });
    expect(judge([copied], signOperation(attempt, ["recovery 0", "hot 1"]))).toBe("identity-unauthorised");
  });

  test("spoils no key: what was revealed or signed before is neither committed to nor signs again", () => {
    const path = [born, rotated];
    const next = rotate(rotated, 1);
    const commits = (name: string) => {
      const commit = [commitmentOf(keyOf(name), next.op.keys.sign)];
      return signOperation(altered(next, { recovery: { commit, threshold: 1 } }), ["recovery 1", "hot 2"]);
    };
    const signs = (name: string) => rotate(rotated, 1, { newSignSeeds: [secret(name)] });
    expect(judge(path, commits("recovery 0"))).toBe("identity-key-reuse");
    expect(judge(path, commits("hot 0"))).toBe("identity-key-reuse");
    expect(judge(path, commits("hot 1"))).toBe("identity-key-reuse");
    expect(judge(path, commits("recovery 2"))).toBe("added");
    expect(judge(path, signs("recovery 0"))).toBe("identity-key-reuse");
    expect(judge(path, signs("hot 0"))).toBe("identity-key-reuse");
    expect(judge(path, signs("hot 1"))).toBe("identity-key-reuse");
  });

  test("gives no sign key the place of a recovery key that is still secret", () => {
    const shared = genesis({ recoveryKeys: [recovery(0), recovery(7)] });
    expect(judge([shared], rotate(shared, 0, { newSignSeeds: [secret("recovery 7")] }))).toBe("identity-key-reuse");
  });

  test("is compared with all eras before it, and its commitments with the last 64", () => {
    const path = [born];
    const next = (era: number, changes: Partial<RotateInput> = {}) =>
      rotate(path.at(-1)!, era, { newSignSeeds: [secret(`era ${era + 1}`)], ...changes });
    for (let era = 0; era < 64; era++) path.push(next(era));
    const set = new OperationSet(born.did, path);
    const judged = (changes: Partial<RotateInput>) => {
      const joined = new OperationSet(born.did, path).add(next(64, changes));
      return joined.status === "refused" ? joined.reason.code : joined.status;
    };
    expect(set.size).toBe(65);
    expect(judged({ newSignSeeds: [secret("hot 0")] })).toBe("identity-key-reuse");
    expect(judged({ newSignSeeds: [secret("recovery 0")] })).toBe("identity-key-reuse");
    // Recovery key 0 was revealed to begin era 1, which is 63 eras before the one that ends here.
    expect(judged({ nextRecoveryKeys: [recovery(0)] })).toBe("identity-key-reuse");
    expect(judged({})).toBe("added");
  });

  test("a refused reuse costs nothing: the same recovery key still rotates properly", () => {
    const next = rotate(rotated, 1);
    const commit = [commitmentOf(keyOf("recovery 0"), next.op.keys.sign)];
    const bad = signOperation(altered(next, { recovery: { commit, threshold: 1 } }), ["recovery 1", "hot 2"]);
    const set = new OperationSet(born.did, [born, rotated]);
    expect(set.add(bad).status).toBe("refused");
    expect(set.add(next).status).toBe("added");
  });
});

describe("a set", () => {
  test("keeps the line of a hash that came first", () => {
    const pair = genesis({ signSeeds: [secret("hot 0"), secret("second")] });
    const statement = altered(update(pair), {});
    const [first, second] = [signOperation(statement, ["hot 0"]), signOperation(statement, ["second"])];
    const set = new OperationSet(pair.did, [pair, first]);
    expect(set.add(second)).toEqual({ status: "known" });
    expect(set.get(first.hash)?.operation).toBe(first);
  });

  test("takes a log backwards, and says what was waiting", () => {
    const path = [born];
    for (let i = 0; i < 5; i++) path.push(update(path.at(-1)!, { changes: { relays: [relay(`r${i}`)] } }));
    const set = new OperationSet(born.did);
    for (const operation of path.slice(1).toReversed()) {
      expect(set.add(operation)).toEqual({ status: "waiting", prev: operation.op.prev });
    }
    expect(set.add(born)).toEqual({ status: "added", released: path.slice(1).map(({ hash }) => hash) });
    expect(set.operations()).toEqual(path);
    expect(set.size).toBe(6);
  });

  test("drops what waited for an operation that is refused", () => {
    const bad = signOperation(altered(update(born), { n: 7 }), ["hot 0"]);
    const child = signOperation(altered(update(born), { n: 8, prev: bad.hash }), ["hot 0"]);
    const set = new OperationSet(born.did, [born, child]);
    expect(set.add(bad).status).toBe("refused");
    expect(set.operations()).toEqual([born]);
  });

  test("an anchor may name any event: the chain judges it", () => {
    const turned = rotate(born, 0, { anchor: anchor(9, 99) });
    expect(judge([born, turned], rotate(turned, 1, { anchor: anchor(1, 1) }))).toBe("added");
  });
});
