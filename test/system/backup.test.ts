import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KDF_MIN } from "../../keys/node/kdf.js";
import { openVault } from "../../keys/node/vault.js";
import { OwnerPlace } from "../support/owner-place.js";

/**
 * Backups as an owner makes them: encrypted to the words, and hot ones to the host (B5); expiring, and encrypted anew after
 * a rotate, with a list of what still opens with an old key (B6); of which the storage sees ciphertext only (B7); and
 * cold ones that the host cannot open (B9).
 */
interface Made {
  readonly name: string;
  readonly head: { readonly seq: number };
  readonly targets: readonly { readonly status: string; readonly error?: { readonly code: string } }[];
}
interface Listed {
  readonly archives: readonly { readonly name: string; readonly tier: string }[];
}

const PASSPHRASE = "correct horse battery staple";

let place: OwnerPlace;
const inWork = (...parts: string[]) => join(place.sandbox.work, ...parts);

beforeAll(async () => {
  place = await OwnerPlace.found("backup");
  // At the lowest accepted cost: this page of commands opens the vault thirty times.
  const vault = openVault(readFileSync(inWork("vault.json")), { passphrase: PASSPHRASE });
  writeFileSync(inWork("vault.json"), vault.withSlot({ type: "passphrase", passphrase: PASSPHRASE, kdf: KDF_MIN }));
  await place.done("ants publish one --json");
  writeFileSync(inWork("ants/SOUL.md"), "a phrase that is nowhere else: amber kettle\n");
  await place.sh(`mkdir store && printf '[[target]]\\nurl = "%s/store"\\n' "$PWD" > ants/.ants/backup.toml`);
}, 120_000);

afterAll(() => place[Symbol.asyncDispose]());

describe("an owner's backups", { timeout: 600_000 }, () => {
  test("need a plan or a place", async () => {
    expect(
      await place.fails(
        "mv ants/.ants/backup.toml kept; ants backup create --json; code=$?; mv kept ants/.ants/backup.toml; exit $code",
      ),
    ).toBe("backup-no-target");
  });

  test("are made while the agent writes, read back, and opened with the real age and tar", async () => {
    const script = `for i in 1 2 3; do ants publish "event $i" --json >/dev/null; done & ants backup create --json; wait`;
    const made = await place.done<Made>(script);
    expect(made.head.seq).toBeGreaterThanOrEqual(1);
    const cold = await place.done<Made>("ants backup create --tier cold --json");
    // A claim and an event each time.
    expect(cold.head.seq).toBe(7);
    const { archives } = await place.done<Listed>("ants backup list --json");
    expect(archives.map(({ name }) => name)).toEqual([made.name, cold.name]);
    const { verified } = await place.done<{ verified: { name: string; level: string }[] }>("ants backup verify --json");
    expect(verified.map(({ level }) => level)).toEqual(["whole", "bytes"]);
    const all = await place.done<{ verified: { level: string }[] }>(
      "ants backup verify --all --phrase-file words --json",
    );
    expect(all.verified.map(({ level }) => level)).toEqual(["whole", "whole"]);

    await place.done("ants backup identity --phrase-file words --out identity.txt --json");
    const { stdout } = await place.sh(
      `set -e; mkdir out; age -d -i identity.txt store/${cold.name} | tar x -C out; cat out/home/SOUL.md; stat -c %a identity.txt`,
    );
    expect(stdout).toBe("a phrase that is nowhere else: amber kettle\n600\n");
  });

  test("show their storage nothing but ciphertext, sizes and times (B7), and no key (B5)", async () => {
    const vault = place.vault();
    const needles = [
      Buffer.from("amber kettle"),
      Buffer.from(place.did),
      Buffer.from("SOUL.md"),
      Buffer.from(vault.signSeed),
      Buffer.from(vault.stateKey),
    ];
    for (const name of readdirSync(inWork("store"))) {
      const bytes = readFileSync(inWork("store", name));
      expect(bytes.subarray(0, 21).toString()).toBe("age-encryption.org/v1");
      for (const needle of needles) expect(bytes.includes(needle)).toBe(false);
    }
    // Nor is any key in what the owner finds inside.
    const inside = await place.sh(
      `grep -rlF "$(tr ' ' '\\n' < words | head -3 | tr '\\n' ' ')" out; find out -name '*vault*'`,
    );
    expect(inside.stdout).toBe("");
  });

  test("are refused where a target is full, and what it has stays", async () => {
    writeFileSync(inWork("ants/large.bin"), Buffer.alloc(200_000, 1));
    const { stdout, exit, stderr } = await place.sh(
      `mkdir full; unshare -r -m bash -ec 'mount -t tmpfs -o size=100k none full; echo kept > full/kept
         ants backup create --target full --json 2>&1 || true; ls -A full; cat full/kept
         echo ---; ants backup create --target full --target store --json; echo "exit $?"' 2>&1`,
    );
    expect(exit, stderr).toBe(3);
    expect(stdout).toContain('"code":"backup-target-full"');
    expect(stdout).toMatch(/\nkept\nkept\n---\n/);
    expect(stdout).toMatch(/"status":"stored"/);
    await place.sh("rm ants/large.bin");
  });

  test("are never all removed; a dry run says which would go; then those go", async () => {
    await place.done("ants backup create --json");
    const before = readdirSync(inWork("store"));
    expect(await place.fails("ants backup prune --tier hot --keep-daily 0 --yes --json")).toBe("backup-keeps-nothing");
    expect(await place.fails("ants backup prune --keep-daily 1 --json")).toBe("usage");
    const rules = "--tier hot --keep-hourly 1";
    const dry = await place.done<{ targets: { removed: string[] }[] }>(`ants backup prune ${rules} --dry-run --json`);
    expect(dry.targets[0]!.removed).toHaveLength(2);
    expect(await place.fails(`ants backup prune ${rules} --json`)).toBe("not-confirmed");
    expect(readdirSync(inWork("store"))).toEqual(before);
    await place.done(`ants backup prune ${rules} --yes --json`);
    expect(readdirSync(inWork("store"))).toHaveLength(before.length - 2);
  });

  test("are due after a rotate; rewrapped, they open with the new key, and what does not is listed (B6, B9)", async () => {
    await place.done("ants rotate --phrase-file words --yes --json");
    const due = await place.done<{ archives: { name: string; status: string }[] }>(
      "ants backup rewrap --dry-run --json",
    );
    const status = (tier: string) => due.archives.find(({ name }) => name.includes(tier))?.status;
    expect([status("hot"), status("cold")]).toEqual(["due", "current"]);
    // Without its catalogue, nobody knows to whom the cold one is encrypted: the host cannot open it, and says so.
    await place.sh("mv ants/.ants/backups.ndjson kept");
    const { exit, stdout } = await place.sh("ants backup rewrap --json");
    expect(exit).toBe(3);
    expect(JSON.parse(stdout).archives).toMatchObject([
      { status: "left", error: { code: "backup-no-key" } },
      { status: "rewrapped" },
    ]);
    const { archives } = await place.done<{ archives: { status: string }[] }>(
      "ants backup rewrap --phrase-file words --json",
    );
    expect(archives.map((archive) => archive.status).sort()).toEqual(["current", "rewrapped"]);
    await place.done("ants backup verify --all --phrase-file words --json");
  });

  test("of a vault from before there were backups need the words once", async () => {
    // As version 2 was: the same content without a recipient.
    writeFileSync(
      inWork("strip.mjs"),
      `import { openVault, readVaultFile, writeVaultFile } from "${new URL("../../dist/keys/node/index.js", import.meta.url).pathname}";
       const vault = openVault(await readVaultFile("vault.json"), { passphrase: "${PASSPHRASE}" });
       const { backup, ...content } = vault.content;
       await writeVaultFile("vault.json", vault.reseal(content), { overwrite: true });`,
    );
    const { exit, stderr } = await place.sh(`"${process.execPath}" strip.mjs`);
    expect(exit, stderr).toBe(0);
    expect(place.vault().backup).toBeUndefined();
    await place.done("ants publish still-here --json");
    expect(await place.fails("ants backup create --json")).toBe("backup-no-recipient");
    expect(await place.fails("ants backup recipient --json")).toBe("backup-no-recipient");
    const set = await place.done<{ recipient: string; changed: boolean }>(
      "ants backup recipient --phrase-file words --json",
    );
    expect(set).toMatchObject({ changed: true, recipient: expect.stringMatching(/^age1[a-z0-9]{58}$/) });
    expect((await place.done<{ recipient: string }>("ants backup recipient --json")).recipient).toBe(set.recipient);
    await place.done("ants backup create --json");
  });
});
