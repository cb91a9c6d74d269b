import type { IncomingMessage } from "node:http";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { byTime, parseArchiveName } from "./archive-name.js";
import { parsePage, type S3Page, xmlField } from "./s3-listing.js";
import { type S3Call, s3Call, textOf } from "./s3-request.js";
import type { BackupTarget, S3Credentials, StoredArchive, TargetOptions, Upload } from "./target.js";
import { exists, missing, type TargetFault, targetError } from "./target-errors.js";

export interface S3Place {
  /** https://host, or http on this host. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** "" or "folder/". */
  readonly prefix: string;
}

const MAX_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;
const MAX_ANSWER_BYTES = 4 * 2 ** 20;
/** Of a listing: an archive an hour for a hundred years. Who lists more lists without an end. */
const MAX_LISTED = 1_000_000;
const MAX_PAGES = 10_000;
/** More is stored in parts only, which this program doesn't do. */
const MAX_OBJECT_BYTES = 5 * 2 ** 30;
const SHA256_NOTE = "x-amz-meta-sha256";

/** A bucket, or a prefix in one, as a target. An object there appears whole or not at all, by S3's own rules. */
export function openS3(url: string, place: S3Place, options: TargetOptions): BackupTarget {
  return new S3Target(url, place, options);
}

class S3Target implements BackupTarget {
  readonly url: string;
  readonly #place: S3Place;
  readonly #options: TargetOptions;
  #credentials: Promise<S3Credentials> | undefined;

  constructor(url: string, place: S3Place, options: TargetOptions) {
    this.url = url;
    this.#place = place;
    this.#options = options;
  }

  async list(): Promise<StoredArchive[]> {
    const { prefix } = this.#place;
    const found = new Map<string, StoredArchive>();
    const asked = new Set<string>();
    for (let token: string | undefined, objects = 0; ; ) {
      const page = await this.#page(token);
      for (const { key, size } of page.objects) {
        const parsed = key.startsWith(prefix) ? parseArchiveName(key.slice(prefix.length)) : undefined;
        if (parsed === undefined) continue;
        // A copy: a part of a page's text would keep all of that text in memory.
        const name = Buffer.from(parsed.name).toString();
        found.set(name, { ...parsed, name, size });
      }
      token = page.next;
      if (token === undefined) return [...found.values()].sort(byTime);
      objects += page.objects.length;
      const isEndless = asked.size === MAX_PAGES || objects > MAX_LISTED || asked.has(token);
      if (isEndless) throw targetError(this.url, "backup-target", "its listing has no end");
      asked.add(token);
    }
  }

  async #page(token: string | undefined): Promise<S3Page> {
    const url = this.#bucketUrl();
    url.searchParams.set("list-type", "2");
    url.searchParams.set("prefix", this.#place.prefix);
    if (token !== undefined) url.searchParams.set("continuation-token", token);
    const { answer, text } = await this.#call({ method: "GET", url });
    if (answer.statusCode !== 200) throw this.#refusal(answer, text);
    const page = parsePage(text);
    if (page === undefined) throw targetError(this.url, "backup-target", "what it answers is no listing of a bucket");
    return page;
  }

  async put(name: string, upload: Upload): Promise<void> {
    if (upload.size > MAX_OBJECT_BYTES)
      throw targetError(this.url, "backup-target", "an archive of more than 5 GiB does not go into one object");
    const { size, sha256 } = upload;
    // Storages that don't know the condition below either say so or pass over it.
    const before = await this.#head(name, [403]);
    if (before.statusCode === 200) throw exists(this.url, name);
    const about = { "content-type": "application/octet-stream", [SHA256_NOTE]: sha256 };
    let tries = 0;
    const write = (headers: Record<string, string>) =>
      this.#call(() => {
        tries += 1;
        return { method: "PUT", url: this.#objectUrl(name), headers, body: { bytes: upload.bytes(), size, sha256 } };
      });
    let outcome = await write({ ...about, "if-none-match": "*" });
    if (outcome.answer.statusCode === 501) {
      // Nobody can say that the name is free: credentials that may only add need a storage that knows the condition.
      if (before.statusCode !== 404) throw this.#refusal(before, "");
      outcome = await write(about);
    }
    const { answer, text } = outcome;
    if (answer.statusCode === 200 || answer.statusCode === 201) return;
    if (answer.statusCode !== 412 && answer.statusCode !== 409) throw this.#refusal(answer, text);
    // An attempt that got no answer may have got through all the same.
    if (tries > 1 && (await this.#hasOurs(name, upload))) return;
    throw exists(this.url, name);
  }

  async get(name: string): Promise<AsyncIterable<Uint8Array>> {
    const answer = await this.#send({ method: "GET", url: this.#objectUrl(name) });
    if (answer.statusCode === 200) return this.#bytesOf(answer);
    const text = await this.#textOf(answer);
    throw answer.statusCode === 404 ? missing(this.url, name) : this.#refusal(answer, text);
  }

  async remove(name: string): Promise<void> {
    const { answer, text } = await this.#call({ method: "DELETE", url: this.#objectUrl(name) });
    const { statusCode = 0 } = answer;
    if ((statusCode < 200 || statusCode >= 300) && statusCode !== 404) throw this.#refusal(answer, text);
  }

  /** Nothing is there before it is whole. */
  async sweep(): Promise<number> {
    return 0;
  }

  async #hasOurs(name: string, { size, sha256 }: Upload): Promise<boolean> {
    const { statusCode, headers } = await this.#head(name);
    return statusCode === 200 && headers["content-length"] === String(size) && headers[SHA256_NOTE] === sha256;
  }

  /** `others`: what is an answer beside "there" and "not there". */
  async #head(name: string, others: readonly number[] = []): Promise<IncomingMessage> {
    const { answer, text } = await this.#call({ method: "HEAD", url: this.#objectUrl(name) });
    if (![200, 404, ...others].includes(answer.statusCode ?? 0)) throw this.#refusal(answer, text);
    return answer;
  }

  async *#bytesOf(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
    const due = Number(answer.headers["content-length"] ?? Number.NaN);
    let came = 0;
    try {
      for await (const block of answer as AsyncIterable<Buffer>) {
        came += block.length;
        yield block;
      }
    } catch (error) {
      this.#options.signal.throwIfAborted();
      throw this.#brokeOff(error);
    } finally {
      answer.destroy();
    }
    if (came < due) throw this.#brokeOff();
  }

  #brokeOff(cause?: unknown): AntsError {
    return targetError(this.url, "backup-target-unreachable", "the connection broke off", cause);
  }

  /** A request and its small answer, again where it may have been bad luck. */
  async #call(draft: Draft | (() => Draft)): Promise<{ answer: IncomingMessage; text: string }> {
    const { clock, signal } = this.#options;
    for (let attempt = 1, pause = FIRST_PAUSE_MS; ; attempt++, pause *= 3) {
      try {
        const answer = await this.#send(typeof draft === "function" ? draft() : draft);
        const text = await this.#textOf(answer);
        const { statusCode = 0 } = answer;
        const isPassing = statusCode >= 500 && statusCode !== 501 && statusCode !== 507;
        if (!isPassing || attempt === MAX_ATTEMPTS) return { answer, text };
      } catch (cause) {
        signal.throwIfAborted();
        if (attempt === MAX_ATTEMPTS || !isAntsError(cause, "backup-target-unreachable")) throw cause;
      }
      await clock.sleep(pause, signal);
    }
  }

  async #textOf(answer: IncomingMessage): Promise<string> {
    const text = await textOf(answer, MAX_ANSWER_BYTES).catch((cause: unknown) => {
      this.#options.signal.throwIfAborted();
      throw this.#brokeOff(cause);
    });
    if (text === undefined) throw targetError(this.url, "backup-target", "its answer is longer than any can be");
    return text;
  }

  async #send(draft: Draft): Promise<IncomingMessage> {
    const { clock, signal } = this.#options;
    this.#credentials ??= this.#ask();
    const credentials = await this.#credentials;
    const { region } = this.#place;
    try {
      return await s3Call({ ...draft, region, credentials, nowMs: clock.nowMs(), signal });
    } catch (error) {
      signal.throwIfAborted();
      if (isAntsError(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw targetError(this.url, "backup-target-unreachable", why, error);
    }
  }

  async #ask(): Promise<S3Credentials> {
    const { s3Credentials } = this.#options;
    if (s3Credentials !== undefined) return s3Credentials();
    throw new AntsError("backup-target-denied", `${this.url}: there is nothing to sign requests with`);
  }

  #refusal({ statusCode }: IncomingMessage, text: string): AntsError {
    const code = xmlField(text, "Code") ?? "";
    const said = [code, xmlField(text, "Message")].filter(Boolean).join(": ");
    return targetError(this.url, faultOf(statusCode, code), `it answers ${statusCode}${said && `, ${said}`}`);
  }

  #bucketUrl(): URL {
    return new URL(`${this.#place.endpoint}/${this.#place.bucket}`);
  }

  #objectUrl(name: string): URL {
    const path = `${this.#place.prefix}${name}`.split("/").map(encodeURIComponent).join("/");
    return new URL(`${this.#place.endpoint}/${this.#place.bucket}/${path}`);
  }
}

type Draft = Pick<S3Call, "method" | "url" | "headers" | "body">;

function faultOf(status: number | undefined, code: string): TargetFault {
  if (status === 401 || status === 403) return "backup-target-denied";
  if (status === 507 || status === 413 || /Quota|EntityTooLarge|InsufficientStorage/.test(code))
    return "backup-target-full";
  return "backup-target";
}
