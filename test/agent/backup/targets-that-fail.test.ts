import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../keys/ports.js";
import { openTarget } from "../../../src/agent/backup/target.js";
import { NAMES, targetOptions, uploadOf } from "../../contracts/backup-target.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";

const options = {
  ...targetOptions(),
  // Pauses before another try take no time; how long anybody is waited for is as ever.
  clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms < 60_000 ? 0 : ms, signal) } satisfies Clock,
  s3Credentials: () => ({ accessKeyId: "id", secretAccessKey: "secret" }),
};
let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function storage(answer: RequestListener) {
  server = createServer((request, response) => {
    request.resume();
    request.on("end", () => answer(request, response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return openTarget(`s3://bucket/x?endpoint=http://127.0.0.1:${port}`, options);
}

describe("a storage that speaks S3", () => {
  test("and breaks off within its answer is out of reach, whatever was asked", async () => {
    const target = await storage((_, response) => {
      response.writeHead(403, { "content-length": "1000" });
      response.write("<Error>");
      setImmediate(() => response.destroy());
    });
    const code = "backup-target-unreachable";
    await expect(target.list()).rejects.toMatchObject({ code });
    await expect(target.get(NAMES[0])).rejects.toMatchObject({ code });
    await expect(target.remove(NAMES[0])).rejects.toMatchObject({ code });
  });

  test("that lets add and not look is added to, where it knows the condition", async () => {
    const puts: (string | undefined)[] = [];
    let knowsCondition = true;
    const target = await storage(({ method, headers }, response) => {
      if (method === "PUT") puts.push(headers["if-none-match"]);
      response.writeHead(method !== "PUT" ? 403 : knowsCondition ? 200 : 501).end();
    });
    await target.put(NAMES[0], uploadOf(Buffer.from("x")));
    knowsCondition = false;
    await expect(target.put(NAMES[1], uploadOf(Buffer.from("x")))).rejects.toMatchObject({
      code: "backup-target-denied",
    });
    // Never without the condition: the name may be taken.
    expect(puts).toEqual(["*", "*"]);
  });
});

describe("a folder", () => {
  // Root may look at everything.
  test.skipIf(process.geteuid?.() === 0)("whose files nobody may look at is denied", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, NAMES[0]), "x");
    writeFileSync(join(folder, `.${NAMES[0]}.0011223344556677.part`), "x");
    chmodSync(folder, 0o400);
    try {
      const target = openTarget(folder, options);
      await expect(target.list()).rejects.toMatchObject({ code: "backup-target-denied" });
      await expect(target.sweep()).rejects.toMatchObject({ code: "backup-target-denied" });
    } finally {
      chmodSync(folder, 0o700);
    }
  });
});

describe("a folder behind ssh", () => {
  /** What sshd would do with the last argument, with an `ln` of our own before the system's. */
  function withLn(ln: string) {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/ln"), `#!/bin/sh\n${ln}\n`, { mode: 0o755 });
    const path = `${join(folder, "bin")}${delimiter}${process.env.PATH}`;
    writeFileSync(join(folder, "ssh"), `#!/bin/sh\nfor last; do :; done\nPATH='${path}' exec sh -c "$last"\n`, {
      mode: 0o755,
    });
    const store = join(folder, "store");
    return { store, target: openTarget(`ssh://host${store}`, { ...options, ssh: [join(folder, "ssh")] }) };
  }

  test("on a disk without hard links gets whole archives all the same", async () => {
    const { store, target } = withLn("echo 'ln: Operation not permitted' >&2; exit 1");
    await target.put(NAMES[0], uploadOf(Buffer.from("first")));
    await expect(target.put(NAMES[0], uploadOf(Buffer.from("second")))).rejects.toMatchObject({
      code: "backup-exists",
    });
    expect(readdirSync(store)).toEqual([NAMES[0]]);
    expect(readFileSync(join(store, NAMES[0]), "utf8")).toBe("first");
  });

  test("keeps what somebody stored under the name meanwhile", async () => {
    const { store, target } = withLn(`echo theirs > "$2"; exit 1`);
    await expect(target.put(NAMES[0], uploadOf(Buffer.from("ours")))).rejects.toMatchObject({ code: "backup-exists" });
    expect(readFileSync(join(store, NAMES[0]), "utf8")).toBe("theirs\n");
    expect(readdirSync(store)).toEqual([NAMES[0]]);
  });
});
