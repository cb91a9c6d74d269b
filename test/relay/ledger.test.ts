import { statSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { updateIdentity } from "../../keys/identity/create.js";
import { systemClock } from "../../keys/ports.js";
import { Admission } from "../../relay/admission/admission.js";
import { DataFolder } from "../../relay/data-folder.js";
import { Ledger } from "../../relay/ledger.js";
import { FrameVerifier } from "../../relay/verify/frame-verifier.js";
import { DEFAULT_LIMITS } from "../../src/protocol/limits.js";
import { createPromise } from "../../src/protocol/promise.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { openLedger, optionsFor } from "./log/folder-bench.js";
import { Author } from "./server/author.js";

const verifier = new FrameVerifier(DEFAULT_LIMITS);
const frameOf = (lines: readonly string[]) => verifier.verify(Buffer.from(lines.map((line) => `${line}\n`).join("")));

/** A ledger with one agent's genesis and claim in it. */
async function started() {
  const folder = temporaryFolder();
  const ledger = await openLedger(folder);
  const author = new Author();
  expect(await ledger.publish(frameOf(author.begin()), { epoch: 1 })).toEqual({ at: [1, 2] });
  return { folder, ledger, author };
}

/** Nothing is taken, nothing is published, and the next start has exactly what was acknowledged. */
async function expectStopped(ledger: Ledger, folder: string, code: string): Promise<void> {
  expect(ledger.failure?.code).toBe(code);
  expect(await ledger.publish(frameOf(new Author().begin()), { epoch: 1 })).toMatchObject({ refused: { code } });
  const other = new Author();
  const promise = frameOf([other.promise(ledger.folder.stream, 1), other.genesis.line]);
  expect(await ledger.promise(promise)).toMatchObject({ refused: { code } });
  expect(ledger.position).toBe(2);
  await ledger.close();
  const again = await openLedger(folder);
  expect(again.position).toBe(2);
  expect(again.folder.log.lastPosition).toBe(2);
  expect(await again.publish(frameOf(new Author().begin()), { epoch: 1 })).toEqual({ at: [3, 4] });
  await again.close();
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("an error that nobody expected", () => {
  it("while an entry is judged ends all writing: what has a position by then has no line", async () => {
    const { folder, ledger, author } = await started();
    const { admit } = Admission.prototype;
    const broken = vi.spyOn(Admission.prototype, "admit");
    broken.mockImplementation(function (this: Admission, entry, sender) {
      const outcome = admit.call(this, entry, sender);
      if (entry.type === "event" && entry.seq === 3) throw new RangeError("Maximum call stack size exceeded");
      return outcome;
    });
    const refused = ledger.publish(frameOf(author.notes(5)), { epoch: 1 });
    const beside = ledger.publish(frameOf(new Author().begin()), { epoch: 1 });
    await expect(refused).rejects.toMatchObject({ code: "internal" });
    expect(await beside).toMatchObject({ refused: { code: "internal" } });
    broken.mockRestore();
    await expectStopped(ledger, folder, "internal");
  });

  it("while a group is closed ends all writing too", async () => {
    const { folder, ledger, author } = await started();
    vi.spyOn(Admission.prototype, "closeGroup").mockImplementationOnce(() => {
      throw new RangeError("Maximum call stack size exceeded");
    });
    await expect(ledger.publish(frameOf(author.notes(1)), { epoch: 1 })).rejects.toMatchObject({ code: "internal" });
    await expectStopped(ledger, folder, "internal");
  });
});

describe("a group", () => {
  it("is written and published only if the log has as many lines as entries were admitted", async () => {
    const { folder, ledger, author } = await started();
    vi.spyOn(ledger.folder.log, "append").mockImplementationOnce(() => 3);
    await expect(ledger.publish(frameOf(author.notes(1)), { epoch: 1 })).rejects.toMatchObject({ code: "internal" });
    await expectStopped(ledger, folder, "internal");
  });
});

describe("the holder of the pen", () => {
  /** A ledger at whose clock the holder of epoch 1 was just seen writing; `askedAfter` lets time go by. */
  async function held() {
    let ms = 0;
    const folder = await DataFolder.open(optionsFor(temporaryFolder()));
    const ledger = await Ledger.open(folder, { ...systemClock, monotonicMs: () => ms });
    const author = new Author();
    await ledger.promise(frameOf([author.promise(folder.stream, 1), author.genesis.line]));
    const begun = frameOf(author.begin());
    await ledger.publish(begun, { epoch: 1 });
    const next = { did: author.did, seed: author.seed, epoch: 2, stream: folder.stream, instance: "b".repeat(16) };
    const asked = async () => {
      const reply = await ledger.promise(frameOf([createPromise({ ...next, timeMs: ms })]));
      return "refused" in reply ? reply.refused.code : "promised";
    };
    const askedAfter = (afterMs: number) => {
      ms += afterMs;
      return asked();
    };
    return { ledger, author, begun, askedAfter };
  }

  it("is not kept alive by a stranger who states its epoch, whatever the stranger sends", async () => {
    const { ledger, author, begun, askedAfter } = await held();
    expect(await askedAfter(40_000)).toBe("held");
    const unknown = [...author.notes(1), ...author.notes(1)].slice(1);
    expect(await ledger.publish(begun, { epoch: 1 })).toMatchObject({ at: [1, 3] });
    expect(await ledger.publish(frameOf(unknown), { epoch: 1 })).toMatchObject({ refused: { code: "gap" } });
    expect(await askedAfter(20_001)).toBe("promised");
  });

  it("is alive while new events of its epoch arrive, or its instance is authenticated where a frame comes from", async () => {
    const { ledger, author, begun, askedAfter } = await held();
    await askedAfter(40_000);
    await ledger.publish(frameOf(author.notes(1)), { epoch: 1 });
    expect(await askedAfter(60_000)).toBe("held");
    await ledger.publish(begun, { epoch: 1, author: author.did, instance: author.instance });
    expect(await askedAfter(60_000)).toBe("held");
    await ledger.publish(begun, { epoch: 1, author: author.did, instance: "c".repeat(16) });
    expect(await askedAfter(1)).toBe("promised");
  });
});

it("an index is readable by its owner only, whatever the process's mask is", async () => {
  const { folder, ledger } = await started();
  for (const name of ["data.mdb", "lock.mdb"]) {
    expect(statSync(`${folder}/data/index/${name}`).mode & 0o077).toBe(0);
  }
  await ledger.close();
});

it("a promise says where every branch of updates ends that is known here, and is no news when it is asked for again", async () => {
  const { folder, ledger, author } = await started();
  const { stream } = ledger.folder;
  const text = ({ line }: { line: Uint8Array }) => Buffer.from(line).toString();
  const update = (handles: readonly string[]) =>
    updateIdentity({ parent: author.genesis.parsed, changes: { handles }, signSeed: author.seed, timeMs: 0 }).parsed;
  const [near, far] = [update(["scout@near.example"]), update(["scout@far.example"])];
  const asked = author.promise(stream, 2);
  expect(await ledger.promise(frameOf([asked, text(near)]))).toMatchObject({ promised: { identity: near.hash } });
  const position = ledger.position;
  const told = await ledger.promise(frameOf([asked, text(near), text(far)]));
  if ("refused" in told) throw new RangeError(told.refused.code);
  const { promised } = told;
  expect(promised).toMatchObject({ epoch: 2, identity: author.genesis.hash });
  expect([...promised.branches!].sort()).toEqual([near.hash, far.hash].sort());
  expect(ledger.position).toBe(position + 1);
  const settled = updateIdentity({
    parent: near,
    over: [far.hash],
    changes: {},
    signSeed: author.seed,
    timeMs: 0,
  }).parsed;
  const known = { promised: { epoch: 2, identity: settled.hash, branches: [far.hash] } };
  expect(await ledger.promise(frameOf([asked, text(settled)]))).toMatchObject(known);
  await ledger.close();
  const again = await openLedger(folder);
  expect(await again.promise(frameOf([asked]))).toMatchObject(known);
  const above = author.promise(stream, 3);
  expect(await again.promise(frameOf([above]))).toMatchObject({ promised: { ...known.promised, epoch: 3 } });
  expect(await again.promise(frameOf([asked, text(settled)]))).toMatchObject({ refused: { code: "fenced" } });
  await again.close();
});
