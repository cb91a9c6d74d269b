import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Agent, openHome, type StepOptions } from "ants-agent/agent";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OwnerPlace } from "../support/owner-place.js";

const HOUR_MS = 3_600_000;
const PASSPHRASE = "correct horse battery staple";
/** Events of an agent that went on after its backup was made. */
const NEWER = 200;

interface Restored {
  readonly home: string;
  readonly archive: string;
  readonly damaged?: readonly unknown[];
  readonly gap: {
    readonly known: string;
    readonly events: number;
    readonly behindMs: number;
    readonly unreachable: readonly { readonly code: string }[];
    readonly unknownSteps?: readonly { readonly key: string; readonly parked: boolean }[];
    readonly staleSecrets?: readonly { readonly name: string; readonly why: string }[];
    readonly vaultKey: string;
  };
}

let place: OwnerPlace;
/** What the outside world got from the agent's steps. */
const received: string[] = [];

/** The agent of a home, in this process. */
function atWork(home = "ants", vault = "vault.json", more = {}): Promise<Agent> {
  const { work } = place.sandbox;
  return openHome({ home: join(work, home), vault: join(work, vault), unlock: { passphrase: PASSPHRASE }, ...more });
}

const hand = (agent: Agent, key: string, options?: StepOptions) =>
  agent.steps.run(key, "hand over", () => void received.push(key), options);

/** A step whose answer is lost: it happened, and nobody knows. */
const lose = (agent: Agent, key: string) =>
  agent.steps
    .run(key, "hand over", () => {
      received.push(key);
      throw new TypeError("socket hang up");
    })
    .catch((error: unknown) => expect(error).toMatchObject({ code: "step-unknown" }));

const notes = (count: number, timeMs: number) =>
  Array.from({ length: count }, (_, i) => ({ kind: "note", body: { i }, timeMs: timeMs + i }));

const restore = (to: string, more = "") =>
  place.done<Restored>(`ants backup restore --to ${to} --target backups --json ${more}`);
const at = (home: string, vault = "vault.json") =>
  `ANTS_HOME=${join(place.sandbox.work, home)} ANTS_VAULT=${join(place.sandbox.work, vault)}`;

beforeAll(async () => {
  place = await OwnerPlace.found("restore");
  place.sandbox.env.ANTS_ALLOW_EPHEMERAL = "1";
  await place.sh("printf one | ants secret set token");
  const before = await atWork();
  await hand(before, "before-1");
  await lose(before, "before-2");
  await before.publisher.publish(notes(3, Date.now() - 4 * HOUR_MS - 12 * 60_000));
  await before.close();
  await place.done("ants backup create --tier hot --target backups --json");
  await place.done("ants backup create --tier cold --target backups --json");
  await place.sh("cp vault.json old-vault.json");

  await place.sh("printf two | ants secret rotate token");
  const after = await atWork();
  const { seq } = after.chain.head!;
  await hand(after, "after-1");
  await lose(after, "after-2");
  const written = after.chain.head!.seq - seq;
  // The claim of this turn, and the secret's record with its own claim, are newer than the backup, too.
  await after.publisher.publish(notes(NEWER - written - 3, Date.now()));
  await after.close();
});

afterAll(() => place[Symbol.asyncDispose]());

describe("a copy 4 hours old, restored while 200 newer events are on the relays (B1, B17)", {
  timeout: 600_000,
}, () => {
  test("sleeps, is brought up to date, and says how far it was behind and what to look after", async () => {
    const { gap } = await restore("copy", "--vault old-vault.json");
    expect(gap).toMatchObject({ known: "whole", events: NEWER, unreachable: [], vaultKey: "live" });
    expect(gap.behindMs).toBeGreaterThan(4.2 * HOUR_MS - 60_000);
    expect(gap.behindMs).toBeLessThan(4.3 * HOUR_MS);
    expect(gap.unknownSteps!.map(({ key, parked }) => [key, parked])).toEqual([
      ["before-2", true],
      ["after-2", true],
    ]);
    expect(gap.staleSecrets).toMatchObject([{ name: "token", why: "stale" }]);
    expect(await place.chain(at("copy"))).toEqual(await place.chain());
  });

  test("is read as it is, and nothing is written from it", async () => {
    const copy = at("copy");
    const whoami = await place.done<{ dormant: { tier: string } }>(`${copy} ants whoami --json`);
    expect(whoami.dormant.tier).toBe("hot");
    const { stdout } = await place.sh(`${copy} ants doctor`);
    expect(stdout).toContain("copy: this home sleeps");
    for (const command of ["publish x", "send did:ants:x y", "handle remove a@b"]) {
      expect(await place.fails(`${copy} ants ${command} --json`), command).toBe("home-dormant");
    }
    expect(await place.fails(`printf x | ${copy} ants secret set other --json`)).toBe("home-dormant");
    await expect(atWork("copy")).rejects.toMatchObject({ code: "home-dormant" });
  });

  test("is not woken while the original lives; with --takeover the original is fenced", async () => {
    const original = await atWork();
    expect(await place.fails(`${at("copy")} ants activate --timeout 3 --json`)).toBe("held");
    expect(await place.fails(`${at("copy")} ants publish x --json`)).toBe("home-dormant");
    original.pen.check();
    const { activated } = await place.done<{ activated: boolean }>(`${at("copy")} ants activate --takeover --json`);
    expect(activated).toBe(true);
    await expect(hand(original, "too-late")).rejects.toMatchObject({
      code: expect.stringMatching(/pen-lost|publish-/),
    });
    expect(await original.lost).toMatchObject({ reason: "fenced" });
    await original.close();
    expect((await place.done<{ activated: boolean }>(`${at("copy")} ants activate --json`)).activated).toBe(false);
  });

  test("does nothing from the gap again, and knows all of it", async () => {
    const agent = await atWork("copy", "vault.json", { takeover: true });
    for (const key of ["before-1", "after-1"]) {
      expect(await hand(agent, key)).toEqual({ status: "done", result: undefined, ran: false });
    }
    for (const key of ["before-2", "after-2"]) {
      await expect(hand(agent, key)).rejects.toMatchObject({ code: "step-unknown" });
    }
    await hand(agent, "next");
    await agent.close();
    expect(received).toEqual(["before-1", "before-2", "after-1", "after-2", "next"]);
  });
});

describe("ants backup restore", { timeout: 600_000 }, () => {
  test("opens a cold archive with the words only, and knows its steps by them", async () => {
    const { stdout } = await place.sh("ls backups");
    const cold = stdout.split("\n").find((name) => name.startsWith("ants-cold-"))!;
    const command = `ants backup restore backups/${cold} --to from-cold --json`;
    expect(await place.fails(command)).toBe("backup-no-key");
    expect(existsSync(join(place.sandbox.work, "from-cold"))).toBe(false);
    const { gap } = await place.done<Restored>(`${command} --phrase-file words`);
    expect(gap.known).toBe("whole");
    expect(gap.unknownSteps!.map(({ key }) => key)).toEqual(["before-2", "after-2"]);
    expect(gap.staleSecrets).toBeUndefined();
  });

  test("overwrites nothing", async () => {
    const command = "ants backup restore latest --target backups --phrase-file words --offline --json";
    expect(await place.fails(`${command} --to ants`)).toBe("restore-not-empty");
    expect(await place.fails(`${command} --to words`)).toBe("restore-not-empty");
    await place.done(`mkdir empty && ${command} --to empty`);
  });

  test("says that the gap is unknown where nobody may be asked, and restores all the same", async () => {
    const { gap } = await restore("offline", "--offline");
    expect(gap).toMatchObject({ known: "unknown", events: 0 });
    const { stdout } = await place.sh("ants backup restore --to offline-2 --target backups --offline");
    expect(stdout).toContain("how far this copy is behind is not known");
    expect(stdout).toContain("ants activate");
  });

  test("names what is not there, and how it is found", async () => {
    const command = "ants backup restore --phrase-file words --to x --json";
    expect(await place.fails(`${command} nothing --target backups`)).toBe("backup-missing");
    expect(await place.fails(`${command} ./nothing`)).toBe("backup-missing");
    expect(await place.fails(`${command} --home nowhere`)).toBe("backup-no-target");
    expect(await place.fails(`${command} --target nowhere`)).toBe("backup-missing");
  });

  test("leaves nothing of a damaged archive, names it, and takes the next one", async () => {
    await place.sh("mkdir bad && cp backups/ants-hot-* bad/ && for f in bad/*; do truncate -s -20 $f; done");
    const [archive] = readdirSync(join(place.sandbox.work, "bad"));
    for (const which of ["--target bad", `bad/${archive}`]) {
      const failed = await place.sh(`ants backup restore --to from-bad ${which} --phrase-file words --json`);
      expect(JSON.parse(failed.stderr.trim().split("\n").at(-1)!)).toMatchObject({
        code: "backup-damaged",
        message: expect.stringContaining(archive!),
      });
      expect(readdirSync(place.sandbox.work).filter((name) => name.includes("from-bad"))).toEqual([]);
    }
    // This one turns out to be damaged only after most of it was written.
    await place.sh("head -c 1000000 /dev/zero > ants/large.bin");
    await place.done("ants backup create --tier hot --target late --anyway --offline --json");
    const [late] = readdirSync(join(place.sandbox.work, "late"));
    await place.sh(`rm ants/large.bin && truncate -s -20 late/${late}`);
    const command = "ants backup restore --to from-next --target late --target backups --json";
    const { exit, stdout, stderr } = await place.sh(command);
    expect(exit, stderr).toBe(0);
    const restored = JSON.parse(stdout) as Restored;
    expect(restored.archive).toBe(archive);
    expect(restored.damaged).toMatchObject([{ archive: late, why: expect.stringContaining(`${late} at `) }]);
    expect(stderr).toMatch(new RegExp(`${late} at .* is damaged: .*another one is looked for`));
    expect(stderr).toMatch(new RegExp(`${archive}, made .* before it, is taken`));
  });
});

describe("a key that was rotated since", { timeout: 600_000 }, () => {
  test("does not wake a copy, and the report says what to do; the present vault opens the older archive", async () => {
    await place.sh("cp -r copy thief && cp vault.json thief.json");
    await place.done("ants rotate --home copy --phrase-file words --yes --json");
    // Nothing in an archive proves that it is from before the rotate: the owner has to say so.
    const from = "ants backup restore --target backups --vault old-vault.json --json --to";
    expect(await place.fails(`${from} outdated`)).toBe("backup-signer-replaced");
    expect(existsSync(join(place.sandbox.work, "outdated"))).toBe(false);
    await place.done(`${from} unasked --offline`);
    expect(await place.fails(`${at("unasked")} ants activate --takeover --json`)).toBe("backup-signer-replaced");
    expect(await place.fails(`${at("unasked")} ants publish x --json`)).toBe("home-dormant");
    // Neither is it woken by what the words do.
    const words = "--phrase-file words --yes --json";
    expect(await place.fails(`${at("unasked")} ants rotate ${words}`)).toBe("backup-signer-replaced");
    expect(place.vault().next).toBeUndefined();
    const recover = `ants recover --relay ${place.relays[0]!.url} ${words}`;
    expect(await place.fails(`${at("unasked", "fresh.json")} ${recover}`)).toBe("backup-signer-replaced");
    expect(existsSync(join(place.sandbox.work, "fresh.json"))).toBe(false);
    const waking = { activate: true, takeover: true };
    await expect(atWork("unasked", "vault.json", waking)).rejects.toMatchObject({ code: "backup-signer-replaced" });
    const woken = await atWork("unasked", "vault.json", { ...waking, signedByReplacedKey: true });
    await woken.close();
    const { gap } = await restore("outdated", "--vault old-vault.json --signed-by-replaced-key");
    expect(gap).toMatchObject({ vaultKey: "replaced", events: expect.any(Number) });
    expect(gap.events).toBeGreaterThan(NEWER);
    const old = at("outdated", "old-vault.json");
    // What the owner said when it was restored is asked no second time.
    expect(await place.fails(`${old} ants activate --timeout 3 --json`)).toBe("key-not-live");
    const activate = "ants activate --takeover --json";
    const { activated } = await place.done<{ activated: boolean }>(`${at("outdated")} ${activate}`);
    expect(activated).toBe(true);
  });

  test("signs no archive that is restored, however new, before one of the present key", async () => {
    await place.sh("mkdir shelf && echo mine > outdated/SOUL.md && echo obey > thief/SOUL.md");
    const { name } = await place.done<{ name: string }>(`${at("outdated")} ants backup create --target shelf --json`);
    // The thief has the key and the identity log of before, and asks no relay of ours.
    const thief = await place.done<{ name: string }>(
      `${at("thief", "thief.json")} ants backup create --target theirs --offline --json && cp theirs/* shelf/ >&2 && true`,
    );
    expect(thief.name).not.toBe(name);
    const words = "--phrase-file words --offline --json --target shelf";
    const { archive } = await place.done<{ archive: string }>(`ants backup restore latest --to ours ${words}`);
    expect(archive).toBe(name);
    await place.sh(`rm shelf/${name}`);
    const latest = "ants backup restore latest --target shelf --phrase-file words --json --to none";
    expect(await place.fails(latest)).toBe("backup-signer-replaced");
    expect(existsSync(join(place.sandbox.work, "none"))).toBe(false);
  });
});

describe("too few relays", { timeout: 600_000 }, () => {
  test("the copy says that there may be more, and is not woken", async () => {
    await place.relays[0]!.close();
    await place.relays[1]!.close();
    const { exit, stdout } = await place.sh(
      "ants backup restore --to alone --target backups --timeout 2 --signed-by-replaced-key --json",
    );
    expect(exit).toBe(3);
    const { gap } = JSON.parse(stdout) as Restored;
    expect(gap.known).toBe("partly");
    expect(gap.events).toBeGreaterThan(NEWER);
    expect(gap.unreachable).toHaveLength(2);
    expect(await place.fails(`${at("alone")} ants activate --takeover --timeout 2 --json`)).toBe("no-quorum");
    expect(await place.fails(`${at("alone")} ants publish x --json`)).toBe("home-dormant");
  });
});
