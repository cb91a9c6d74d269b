import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import type { AntsError } from "../../../keys/errors.js";
import { type Clock, systemClock } from "../../../keys/ports.js";
import { openTarget, type TargetOptions } from "../../../src/agent/backup/target.js";
import { NAMES, read, targetOptions, uploadOf } from "../../contracts/backup-target.js";

/** A storage that answers whatever it likes, and what it was asked. */
const asked: IncomingMessage[] = [];
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  asked.length = 0;
});

async function storage(answer: RequestListener, own: Partial<TargetOptions> = {}) {
  server = createServer((request, response) => {
    asked.push(request);
    request.resume();
    request.on("end", () => answer(request, response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return openTarget(`s3://bucket/x?endpoint=http://127.0.0.1:${port}`, {
    ...targetOptions(),
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms < 60_000 ? 0 : ms, signal) },
    s3Credentials: () => ({ accessKeyId: "id", secretAccessKey: "secret" }),
    ...own,
  });
}

const page = (content: string) => `<?xml version="1.0"?><ListBucketResult>${content}</ListBucketResult>`;
const object = (key: string, size: string | number = 1) => `<Contents><Key>${key}</Key><Size>${size}</Size></Contents>`;
const answering = (text: string) => storage((_, response) => response.writeHead(200).end(text));

describe("a listing", { timeout: 60_000 }, () => {
  test.each([
    ["no XML", "<html>Please log in to this network</html>"],
    ["nothing", ""],
    ["another answer", "<Error><Code>SlowDown</Code></Error>"],
    ["the half of a page", page(object(`x/${NAMES[0]}`)).slice(0, -20)],
    ["an object that does not end", page(`<Contents><Key>x/${NAMES[0]}</Key>`)],
    ["a size that is none", page(object(`x/${NAMES[0]}`, "9".repeat(400)))],
    ["more, and not where", page(`${object(`x/${NAMES[0]}`)}<IsTruncated>true</IsTruncated>`)],
  ])("that is %s is an error, and not an empty bucket", async (_, text) => {
    const target = await answering(text);
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target" });
  });

  test("has what lies under its prefix by an archive's name, once, and nothing else", async () => {
    const others = ["y/", "", "x", "/x/", "x/../", "x/y/", "x/%0a"].map((prefix) => object(prefix + NAMES[1]));
    const odd = [`${NAMES[1]}&#10;`, `&#27;[2J${NAMES[1]}`, `${NAMES[1]}/../${NAMES[2]}`].map((key) =>
      object(`x/${key}`),
    );
    const target = await answering(
      page([object(`x/${NAMES[0]}`, 7), object(`x/${NAMES[0]}`, 7), ...others, ...odd].join("")),
    );
    expect(await target.list()).toMatchObject([{ name: NAMES[0], size: 7 }]);
  });

  test("with characters that are none is read all the same", async () => {
    const target = await answering(page(object("x/&#1114112;&#x110000;&#99999999999;&none;")));
    expect(await target.list()).toEqual([]);
    const refusing = await storage((_, response) =>
      response.writeHead(400).end("<Error><Message>&#1114112;</Message></Error>"),
    );
    await expect(refusing.list()).rejects.toMatchObject({ code: "backup-target" });
  });

  test("whose pages never end is given up: the same page again and again, and ever new ones", async () => {
    const more = (token: string) =>
      page(`<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`);
    const same = await answering(more("again"));
    await expect(same.list()).rejects.toMatchObject({ code: "backup-target" });
    expect(asked.length).toBeLessThan(4);
    asked.length = 0;
    const objects = object("x/other").repeat(50_000);
    const ever = await storage((_, response) =>
      response
        .writeHead(200)
        .end(
          page(
            `${objects}<IsTruncated>true</IsTruncated><NextContinuationToken>${asked.length}</NextContinuationToken>`,
          ),
        ),
    );
    await expect(ever.list()).rejects.toMatchObject({ code: "backup-target" });
    expect(asked.length).toBeLessThan(30);
  });

  test("of a text that is made to be read for hours is read at once", async () => {
    const target = await answering(page("<Contents>".repeat(400_000)));
    const begunMs = performance.now();
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target" });
    // All of it is four megabytes.
    expect(performance.now() - begunMs).toBeLessThan(5_000);
  });

  test("longer than any can be is an error, and is not read to its end", async () => {
    let sent = 0;
    const target = await storage((_, response) => {
      response.writeHead(200);
      const block = Buffer.alloc(1024 * 1024, "x");
      const more = () => {
        while (sent < 200 && !response.destroyed) {
          sent += 1;
          if (!response.write(block)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    await expect(target.list()).rejects.toMatchObject({ code: "backup-target" });
    expect(sent).toBeLessThan(100);
  });
});

/** Minutes pass in milliseconds. */
const hasty: Clock = {
  ...systemClock,
  monotonicMs: () => performance.now() * 4_000,
  sleep: (ms, signal) => systemClock.sleep(ms / 4_000, signal),
};
const upload = uploadOf(Buffer.alloc(300_000, 1));

describe("an archive that is stored", { timeout: 60_000 }, () => {
  /** Takes every PUT, and says this of what it has from then on. */
  const claiming = (head: (response: ServerResponse) => void) => {
    let put = false;
    return storage(({ method }, response) => {
      if (method === "PUT") put = true;
      if (method === "PUT") response.writeHead(200).end();
      else if (put) head(response);
      else response.writeHead(404).end();
    });
  };

  test("is there, of its size, with its hash, or is not said to be stored", async () => {
    const nothing = await claiming((response) => response.writeHead(404).end());
    await expect(nothing.put(NAMES[0], upload)).rejects.toMatchObject({ code: "backup-target" });
    const short = await claiming((response) => response.writeHead(200, { "content-length": "7" }).end());
    await expect(short.put(NAMES[0], upload)).rejects.toMatchObject({ code: "backup-target" });
    const size = { "content-length": String(upload.size) };
    const other = await claiming((response) =>
      response.writeHead(200, { ...size, "x-amz-meta-sha256": "0".repeat(64) }).end(),
    );
    await expect(other.put(NAMES[0], upload)).rejects.toMatchObject({ code: "backup-target" });
    const noted = await claiming((response) =>
      response.writeHead(200, { ...size, "x-amz-meta-sha256": upload.sha256 }).end(),
    );
    await noted.put(NAMES[0], upload);
    const unnoted = await claiming((response) => response.writeHead(200, size).end());
    await unnoted.put(NAMES[0], upload);
  });

  test("may be there a moment later", async () => {
    let asks = 0;
    const late = await claiming((response) => {
      asks += 1;
      if (asks < 3) response.writeHead(404).end();
      else response.writeHead(200, { "content-length": String(upload.size) }).end();
    });
    await late.put(NAMES[0], upload);
    expect(asks).toBe(3);
  });

  test("before it was sent is not, whoever may look or not", async () => {
    // Answers the request's head, and takes no more of it.
    server = createServer((request, response) => {
      request.pause();
      response.writeHead(request.method === "PUT" ? 200 : 403, { connection: "keep-alive" }).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const target = openTarget(`s3://bucket/x?endpoint=http://127.0.0.1:${port}`, {
      ...targetOptions(),
      s3Credentials: () => ({ accessKeyId: "id", secretAccessKey: "secret" }),
    });
    const much = uploadOf(Buffer.alloc(64 * 2 ** 20));
    await expect(target.put(NAMES[0], much)).rejects.toMatchObject({ code: "backup-target" });
  });

  test("and was removed is gone, or is not said to be", async () => {
    let has = true;
    const target = await storage(({ method }, response) =>
      response.writeHead(method === "DELETE" ? 204 : has ? 200 : 404).end(),
    );
    await expect(target.remove(NAMES[0])).rejects.toMatchObject({ code: "backup-target" });
    has = false;
    await target.remove(NAMES[0]);
  });
});

describe("a storage that takes its time", { timeout: 60_000 }, () => {
  const unreachable = { code: "backup-target-unreachable" };

  test("and never answers is given up, whatever it was asked", async () => {
    const target = await storage(() => {}, { clock: hasty });
    await expect(target.list()).rejects.toMatchObject(unreachable);
    await expect(target.put(NAMES[0], upload)).rejects.toMatchObject(unreachable);
    await expect(target.remove(NAMES[0])).rejects.toMatchObject(unreachable);
    await expect(target.get(NAMES[0])).rejects.toMatchObject(unreachable);
  });

  test.each([200, 500])("and gives its answer (%i) byte by byte is given up", async (status) => {
    const target = await storage(
      (_, response) => {
        response.writeHead(status);
        const drip = setInterval(() => response.write("x"), 10);
        response.on("close", () => clearInterval(drip));
      },
      { clock: hasty },
    );
    await expect(target.list()).rejects.toMatchObject(unreachable);
    await expect(target.get(NAMES[0]).then(read)).rejects.toMatchObject(unreachable);
  });
});

describe("a storage that tells on", () => {
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "the-secret", sessionToken: "the-session-token" };

  test("what it learnt, or tells too much, is quoted in one short line without it", async () => {
    const echo = await storage(
      ({ headers }, response) =>
        response
          .writeHead(403)
          .end(
            `<Error><Code>Denied</Code><Message>no\n\u001b[2J${headers.authorization} ${headers["x-amz-security-token"]} ${"long ".repeat(100_000)}</Message></Error>`,
          ),
      { s3Credentials: () => credentials },
    );
    const error = await echo.list().then(
      () => undefined,
      (cause: unknown) => cause as AntsError,
    );
    expect(error).toMatchObject({ code: "backup-target-denied", message: expect.stringContaining("Denied: no [2J") });
    expect(error?.message.length).toBeLessThan(500);
    for (const secret of Object.values(credentials)) expect(error?.message).not.toContain(secret);
  });

  test("a key that no request can have is refused, and named by no error", async () => {
    for (const bad of ["Zq9w\nbreak", "Zq9w-\u2603"]) {
      for (const which of ["accessKeyId", "secretAccessKey", "sessionToken"]) {
        const target = await storage(() => {}, { s3Credentials: () => ({ ...credentials, [which]: bad }) });
        const error = await target.list().catch((cause: unknown) => cause as AntsError);
        expect(error).toMatchObject({ code: "backup-target-denied" });
        expect(inspect(error, { depth: 9 })).not.toContain("Zq9w");
        server?.close();
      }
    }
    expect(asked).toEqual([]);
  });

  test.each([301, 302, 307, 308])(
    "where to go instead (%i) is not followed: nobody else gets a request",
    async (status) => {
      let others = 0;
      const other = createServer((_, response) => {
        others += 1;
        response.end();
      }).listen(0, "127.0.0.1");
      await once(other, "listening");
      const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
      const target = await storage((_, response) => response.writeHead(status, { location }).end());
      await expect(target.list()).rejects.toMatchObject({ code: "backup-target" });
      await expect(target.get(NAMES[0])).rejects.toMatchObject({ code: "backup-target" });
      await expect(target.put(NAMES[0], upload)).rejects.toMatchObject({ code: "backup-target" });
      await expect(target.remove(NAMES[0])).rejects.toMatchObject({ code: "backup-target" });
      other.close();
      expect(others).toBe(0);
    },
  );
});
