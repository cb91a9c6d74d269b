import { type IncomingMessage, request as plainRequest } from "node:http";
import { request } from "node:https";
import { AwsV4Signer } from "aws4fetch";
import { AntsError } from "../../../keys/errors.js";
import type { S3Credentials } from "./target.js";

export interface S3Call {
  readonly method: "GET" | "PUT" | "DELETE" | "HEAD";
  readonly url: URL;
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body and the headers that speak of it. */
  readonly body?: { readonly bytes: AsyncIterable<Uint8Array>; readonly size: number; readonly sha256: string };
  /** Milliseconds since 1970: what the signature is dated with. */
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** Nothing sent or received for so long: the connection is given up. */
const IDLE_TIMEOUT_MS = 60_000;
/** SHA-256 of no bytes. */
const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * One signed request. The signature covers the hash of the body, so that the server takes no other bytes for it. Rejects
 * with the system's error where there is no answer.
 */
export async function s3Call(call: S3Call): Promise<IncomingMessage> {
  const { method, url, region, credentials, body, nowMs, signal } = call;
  const { headers } = await new AwsV4Signer({
    method,
    url: url.href,
    service: "s3",
    region,
    ...credentials,
    datetime: new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    headers: { ...call.headers, "x-amz-content-sha256": body?.sha256 ?? EMPTY_SHA256 },
  }).sign();
  const send = url.protocol === "https:" ? request : plainRequest;
  return new Promise((resolve, reject) => {
    const outgoing = send(url, {
      method,
      signal,
      timeout: IDLE_TIMEOUT_MS,
      headers: { ...Object.fromEntries(headers), "content-length": String(body?.size ?? 0) },
    });
    outgoing.on("timeout", () => outgoing.destroy(timedOut()));
    outgoing.on("error", reject);
    outgoing.on("response", resolve);
    write(outgoing, body).catch((error: unknown) => {
      outgoing.destroy();
      reject(error);
    });
  });
}

/** Throws "backup-target" where the body's own bytes cannot be read, or are not as many as were announced. */
async function write(outgoing: ReturnType<typeof request>, body: S3Call["body"]): Promise<void> {
  const closed = new Promise<void>((resolve) => outgoing.once("close", () => resolve()));
  let written = 0;
  try {
    for await (const block of body?.bytes ?? []) {
      // A server that refuses answers before it has everything.
      if (outgoing.destroyed) return;
      written += block.length;
      const drained = new Promise<void>((resolve) => outgoing.once("drain", () => resolve()));
      if (!outgoing.write(block)) await Promise.race([drained, closed]);
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AntsError("backup-target", `the bytes to store could not be read: ${why}`, { cause });
  }
  const due = body?.size ?? 0;
  if (written !== due) throw new AntsError("backup-target", `${written} bytes were to be stored, and not ${due}`);
  outgoing.end();
}

/** A small body, as text. Undefined where it is longer: half of an answer is another answer. */
export async function textOf(answer: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) {
      answer.destroy();
      return undefined;
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function timedOut(): NodeJS.ErrnoException {
  return Object.assign(new TypeError(`nothing came for ${IDLE_TIMEOUT_MS / 1000} s`), { code: "ETIMEDOUT" });
}
