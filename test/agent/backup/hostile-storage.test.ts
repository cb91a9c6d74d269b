import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../keys/ports.js";
import { openTarget, type TargetOptions } from "../../../src/agent/backup/target.js";
import { NAMES, targetOptions } from "../../contracts/backup-target.js";

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

describe("a listing", { timeout: 20_000 }, () => {
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
