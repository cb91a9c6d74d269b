import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../keys/ports.js";
import { openTarget, type TargetOptions } from "../../src/agent/backup/target.js";
import { backupTargetContract, NAMES, targetOptions, uploadOf } from "../contracts/backup-target.js";
import { OwnerPlace } from "../support/owner-place.js";
import { S3Server } from "../support/s3-server.js";

let server: S3Server;
const folder = mkdtempSync(join(tmpdir(), "ants-s3-"));

beforeAll(async () => {
  server = await S3Server.start(folder);
}, 60_000);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

let buckets = 0;

/** A new bucket each time. */
async function bucket(): Promise<string> {
  const name = `bucket-${++buckets}`;
  await server.call("PUT", `/${name}`);
  return name;
}

const options = (signal?: AbortSignal): TargetOptions => ({
  ...targetOptions(signal),
  s3Credentials: () => server.credentials,
});
const addressOf = (name: string, endpoint = server.url) =>
  `s3://${name}/${encodeURI("agents/scout ü")}?endpoint=${endpoint}&region=us-east-1`;

/** The system's clock, off by so much; pauses before another try take no time. */
const clockOff = (offMs: number): Clock => ({
  ...systemClock,
  nowMs: () => Date.now() + offMs,
  sleep: (ms, signal) => systemClock.sleep(ms < 60_000 ? 0 : ms, signal),
});

describe.each(["conditionalUrl", "url"] as const)(
  "a bucket of a storage that checks signatures as a target (%s)",
  { timeout: 60_000 },
  (endpoint) => {
    backupTargetContract(async () => {
      const name = await bucket();
      return {
        open: ({ signal }) => openTarget(addressOf(name, server[endpoint]), options(signal)),
        litter: (file) => server.call("PUT", `/${name}/agents/scout%20%C3%BC/${file}`, "x"),
      };
    });
  },
);

describe("the storage", { timeout: 60_000 }, () => {
  test("refuses a wrong secret, an unknown key, and a clock that is off; and that is said", async () => {
    const name = await bucket();
    const { accessKeyId } = server.credentials;
    const wrong: TargetOptions = { ...options(), s3Credentials: () => ({ accessKeyId, secretAccessKey: "guess" }) };
    const unknown: TargetOptions = { ...options(), s3Credentials: () => ({ accessKeyId: "a", secretAccessKey: "b" }) };
    const late: TargetOptions = { ...options(), clock: clockOff(-3_600_000) };
    for (const one of [wrong, unknown, late]) {
      const target = openTarget(addressOf(name), one);
      await expect(target.list()).rejects.toMatchObject({ code: "backup-target-denied" });
      await expect(target.put(NAMES[0], uploadOf(Buffer.from("x")))).rejects.toMatchObject({
        code: "backup-target-denied",
      });
      await expect(target.get(NAMES[0])).rejects.toMatchObject({ code: "backup-target-denied" });
      await expect(target.remove(NAMES[0])).rejects.toMatchObject({ code: "backup-target-denied" });
    }
    expect(await openTarget(addressOf(name), options()).list()).toEqual([]);
  });

  test("takes no other bytes than those that were signed", async () => {
    const target = openTarget(addressOf(await bucket()), options());
    const { sha256 } = uploadOf(Buffer.from("what was signed"));
    await expect(target.put(NAMES[0], { ...uploadOf(Buffer.from("what was sent!!")), sha256 })).rejects.toMatchObject({
      code: "backup-target",
    });
    expect(await target.list()).toEqual([]);
  });

  test("a bucket that is not there is said", async () => {
    const target = openTarget(addressOf("nowhere"), options());
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target" });
    await expect(target.put(NAMES[0], uploadOf(Buffer.from("x")))).rejects.toMatchObject({ code: "backup-target" });
  });

  test("nobody at its address: tried again, then said", async () => {
    const address = `s3://bucket/x?endpoint=http://127.0.0.1:1`;
    const target = openTarget(address, { ...options(), clock: clockOff(0) });
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target-unreachable" });
  });

  test("more archives than one page of a listing has (10 here) are all listed", async () => {
    const name = await bucket();
    const target = openTarget(addressOf(name), options());
    const stamp = (i: number) => new Date(Date.UTC(2026, 0, 1) + i * 3_600_000).toISOString().slice(0, 13);
    const names = Array.from({ length: 25 }, (_, i) => {
      const [day, hour] = stamp(i).split("T");
      return `ants-hot-${day!.replaceAll("-", "")}T${hour}0000Z-0000000${(i % 10).toString(16)}.tar.age`;
    });
    for (const file of names) await server.call("PUT", `/${name}/agents/scout%20%C3%BC/${file}`, "x");
    expect((await target.list()).map((one) => one.name)).toEqual(names);
  });
});

describe("a person's commands", { timeout: 600_000 }, () => {
  test("reach it with what the vault keeps as backup.s3, and say what is missing without it", async () => {
    await using place = await OwnerPlace.found("backup-s3", 1);
    const address = addressOf(await bucket(), server.conditionalUrl);
    expect(await place.fails(`ants backup create --target '${address}' --json`)).toBe("backup-target-denied");
    const { accessKeyId, secretAccessKey } = server.credentials;
    await place.sh(`printf '%s' '${accessKeyId}:${secretAccessKey}' | ants secret set backup.s3 --offline`);
    const { name } = await place.done<{ name: string }>(`ants backup create --target '${address}' --json`);
    const listed = await place.done<{ archives: { name: string }[] }>(
      `AWS_ACCESS_KEY_ID='${accessKeyId}' AWS_SECRET_ACCESS_KEY='${secretAccessKey}' ants backup list --target '${address}' --json`,
    );
    expect(listed.archives.map((archive) => archive.name)).toEqual([name]);
    const { verified } = await place.done<{ verified: object[] }>(`ants backup verify --target '${address}' --json`);
    expect(verified).toMatchObject([{ name, level: "whole" }]);
  });
});
