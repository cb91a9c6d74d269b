import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ageRecipient, ageSecretKey, parseAgeRecipient } from "../../keys/age.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { hostKey, hostKeys } from "../../src/agent/backup/backup-keys.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { backupHome, blocks, furnish, packed, unpacked } from "../support/backup-home.js";

/** Runs a command that must succeed; its stdout. */
function run(command: string, args: readonly string[], options: { input?: Uint8Array; cwd?: string } = {}): Buffer {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...options, maxBuffer: 2 ** 28 });
  expect(error, `${command}: is it installed?`).toBeUndefined();
  expect(status, String(stderr)).toBe(0);
  return stdout;
}

/** Every file, folder and link below a folder, as one comparable list. */
function tree(folder: string, left: readonly string[] = []): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const name = path.slice(folder.length + 1);
      if (entry.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`;
      const mode = (statSync(path).mode & 0o777).toString(8);
      return entry.isFile() ? `${name} ${mode} ${readFileSync(path).toString("base64")}` : `${name}/ ${mode}`;
    })
    .filter((line) => !left.some((one) => line.startsWith(one)))
    .sort();
}

/** Archives are encrypted in age's own format, always (B5); a cold one opens with the words and not with the host (B9). */
describe("the real age and tar", () => {
  test.each(["hot", "cold"] as const)("open a %s archive: the home is there as it was", async (tier) => {
    const place = await backupHome();
    furnish(place.path);
    const archive = await packed(place, { tier });
    const folder = temporaryFolder();
    writeFileSync(join(folder, "identity"), `${ageSecretKey(place.words.secret)}\n`, { mode: 0o600 });
    const plain = run("age", ["--decrypt", "--identity", join(folder, "identity")], { input: archive });
    mkdirSync(join(folder, "out"));
    run("tar", ["--extract", "--preserve-permissions", "--no-same-owner", "--directory", join(folder, "out")], {
      input: plain,
    });
    expect(tree(join(folder, "out/home"))).toEqual(tree(place.path));
    const manifest = JSON.parse(readFileSync(join(folder, "out/manifest.json"), "utf8")) as { tier: string };
    expect(manifest.tier).toBe(tier);
    // Its first member, so that a look at an archive of any size is a short one.
    expect(String(run("tar", ["--list"], { input: plain })).split("\n")[0]).toBe("manifest.json");
    run("sha256sum", ["--check", "--strict", "--status"], {
      cwd: join(folder, "out/home"),
      input: Buffer.from(sums(join(folder, "out/manifest.json"))),
    });
  });

  test("age says of a host's key and a cold archive what ants says: no", async () => {
    const place = await backupHome();
    const folder = temporaryFolder();
    const keys = hostKeys(place.vault).map(({ secret }) => ageSecretKey(secret));
    writeFileSync(join(folder, "host"), `${keys.join("\n")}\n`, { mode: 0o600 });
    const open = async (tier: "hot" | "cold") =>
      spawnSync("age", ["--decrypt", "--identity", join(folder, "host")], { input: await packed(place, { tier }) });
    expect((await open("hot")).status).toBe(0);
    const { status, stderr } = await open("cold");
    expect(status).not.toBe(0);
    expect(String(stderr)).toContain("no identity matched");
  });

  test("age-keygen agrees about our keys, and we about its", () => {
    const { secret, publicKey } = hostKey(new Uint8Array(32).fill(5));
    const said = String(run("age-keygen", ["-y"], { input: Buffer.from(`${ageSecretKey(secret)}\n`) })).trim();
    expect(said).toBe(ageRecipient(publicKey));
    expect(parseAgeRecipient(said)).toEqual(x25519PublicKey(secret));
    const made = String(run("age-keygen", [])).match(/public key: (age1\S+)/)![1]!;
    expect(ageRecipient(parseAgeRecipient(made))).toBe(made);
  });
});

describe("damage", () => {
  test("every byte flipped is noticed", { timeout: 600_000 }, async () => {
    const place = await backupHome();
    const bytes = await packed(place);
    await unpacked(blocks(bytes), [place.words]);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      await expect(unpacked(blocks(flipped), [place.words]), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^backup-(damaged|no-key)$/),
      });
    }
  });
});

/** The manifest's hashes, as sha256sum reads them. */
function sums(manifest: string): string {
  const { files } = JSON.parse(readFileSync(manifest, "utf8")) as { files: { path: string; sha256: string }[] };
  return files
    .filter(({ path }) => !path.includes("\n"))
    .map(({ path, sha256 }) => `${sha256}  ${path}\n`)
    .join("");
}
