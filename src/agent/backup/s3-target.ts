import type { ClientRequest, IncomingMessage } from "node:http";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { byTime, parseArchiveName } from "./archive-name.js";
import { Deadline, LISTING_PATIENCE_MS, PATIENCE_MS, patienceFor, patiently, TOO_SLOW } from "./patience.js";
import { parsePage, type S3Page, xmlField } from "./s3-listing.js";
import { type S3Call, s3Call, textOf } from "./s3-request.js";
import type { BackupTarget, S3Credentials, StoredArchive, TargetOptions, Upload } from "./target.js";
import { exists, missing, quoted, type TargetFault, targetError } from "./target-errors.js";

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
/** Of what is left out of messages: shorter ones are parts of words. */
const MIN_SECRET_CHARACTERS = 4;
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
  #secrets: readonly string[] = [];

  constructor(url: string, place: S3Place, options: TargetOptions) {
    this.url = url;
    this.#place = place;
    this.#options = options;
  }

  async list(): Promise<StoredArchive[]> {
    const { prefix } = this.#place;
    const found = new Map<string, StoredArchive>();
    const asked = new Set<string>();
    const { clock } = this.#options;
    const begunMs = clock.monotonicMs();
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
      if (clock.monotonicMs() - begunMs > LISTING_PATIENCE_MS) throw this.#tooSlow();
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
    // Of the last attempt: one before it may go on for a while.
    let sent = { bytes: 0 };
    const bytes = async function* (counted: { bytes: number }) {
      for await (const block of upload.bytes()) {
        counted.bytes += block.length;
        yield block;
      }
    };
    const write = async (headers: Record<string, string>) => {
      const outcome = await this.#call(() => {
        tries += 1;
        sent = { bytes: 0 };
        return { method: "PUT", url: this.#objectUrl(name), headers, body: { bytes: bytes(sent), size, sha256 } };
      }, patienceFor(size));
      // Who answers before everything was sent gets no more of it.
      if (sent.bytes < size) (outcome.answer as IncomingMessage & { readonly req?: ClientRequest }).req?.destroy();
      return outcome;
    };
    let outcome = await write({ ...about, "if-none-match": "*" });
    if (outcome.answer.statusCode === 501) {
      // Nobody can say that the name is free: credentials that may only add need a storage that knows the condition.
      if (before.statusCode !== 404) throw this.#refusal(before, "");
      outcome = await write(about);
    }
    const { answer, text } = outcome;
    if (answer.statusCode === 200 || answer.statusCode === 201) {
      if (sent.bytes < size) throw targetError(this.url, "backup-target", "it says that it has it, before it was sent");
      return this.#requireStored(name, upload);
    }
    if (answer.statusCode !== 412 && answer.statusCode !== 409) throw this.#refusal(answer, text);
    // An attempt that got no answer may have got through all the same.
    if (tries > 1 && this.#isOurs(await this.#head(name), upload)) return;
    throw exists(this.url, name);
  }

  /**
   * Whoever says that it is stored is asked for it: a proxy may have said so. A storage that keeps no notes is believed by
   * the size: `ants backup verify` reads the bytes.
   */
  async #requireStored(name: string, upload: Upload): Promise<void> {
    const { clock, signal } = this.#options;
    for (let attempt = 1, pause = FIRST_PAUSE_MS; ; attempt++, pause *= 3) {
      const there = await this.#head(name, [403]);
      // Credentials that may add and not look.
      if (there.statusCode === 403 || this.#isOurs(there, upload, upload.sha256)) return;
      if (there.statusCode === 200)
        throw targetError(this.url, "backup-target", `it has another ${name} than was sent`);
      if (attempt === MAX_ATTEMPTS)
        throw targetError(this.url, "backup-target", `it says that it took ${name}, and has it not`);
      // Its servers may hear of it one after the other.
      await clock.sleep(pause, signal);
    }
  }

  async get(name: string): Promise<AsyncIterable<Uint8Array>> {
    const deadline = this.#deadline(PATIENCE_MS);
    try {
      const answer = await this.#send({ method: "GET", url: this.#objectUrl(name) }, deadline);
      if (answer.statusCode === 200) return this.#bytesOf(answer);
      const text = await this.#textOf(answer, deadline);
      throw this.#noArchive(answer, text, name);
    } finally {
      deadline.end();
    }
  }

  #noArchive(answer: IncomingMessage, text: string, name: string): AntsError {
    return answer.statusCode === 404 ? missing(this.url, name) : this.#refusal(answer, text);
  }

  async remove(name: string): Promise<void> {
    const { answer, text } = await this.#call({ method: "DELETE", url: this.#objectUrl(name) });
    const { statusCode = 0 } = answer;
    if ((statusCode < 200 || statusCode >= 300) && statusCode !== 404) throw this.#refusal(answer, text);
    if ((await this.#head(name, [403])).statusCode === 200)
      throw targetError(this.url, "backup-target", `it says that ${name} is removed, and has it still`);
  }

  /** Nothing is there before it is whole. */
  async sweep(): Promise<number> {
    return 0;
  }

  /** `unnoted`: what a storage is taken to have noted that keeps no notes. */
  #isOurs({ statusCode, headers }: IncomingMessage, { size, sha256 }: Upload, unnoted = ""): boolean {
    const { "content-length": length, [SHA256_NOTE]: noted = unnoted } = headers;
    return statusCode === 200 && length === String(size) && noted === sha256;
  }

  /** `others`: what is an answer beside "there" and "not there". */
  async #head(name: string, others: readonly number[] = []): Promise<IncomingMessage> {
    const { answer, text } = await this.#call({ method: "HEAD", url: this.#objectUrl(name) });
    if (![200, 404, ...others].includes(answer.statusCode ?? 0)) throw this.#refusal(answer, text);
    return answer;
  }

  async *#bytesOf(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
    const due = Number(answer.headers["content-length"] ?? Number.NaN);
    const { clock, signal } = this.#options;
    let came = 0;
    try {
      const blocks = answer as AsyncIterable<Buffer>;
      for await (const block of patiently(
        blocks,
        clock,
        () => answer.destroy(),
        () => this.#tooSlow(),
      )) {
        came += block.length;
        yield block;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw isAntsError(error) ? error : this.#brokeOff(error);
    } finally {
      answer.destroy();
    }
    if (came < due) throw this.#brokeOff();
  }

  #tooSlow(): AntsError {
    return targetError(this.url, "backup-target-unreachable", TOO_SLOW);
  }

  #deadline(durationMs: number): Deadline {
    return new Deadline(this.#options.clock, durationMs);
  }

  #brokeOff(cause?: unknown): AntsError {
    return targetError(this.url, "backup-target-unreachable", "the connection broke off", cause);
  }

  /** A request and its small answer, again where it may have been bad luck, within so many milliseconds. */
  async #call(
    draft: Draft | (() => Draft),
    patienceMs = PATIENCE_MS,
  ): Promise<{ answer: IncomingMessage; text: string }> {
    const { clock, signal } = this.#options;
    const deadline = this.#deadline(patienceMs);
    try {
      for (let attempt = 1, pause = FIRST_PAUSE_MS; ; attempt++, pause *= 3) {
        try {
          const answer = await this.#send(typeof draft === "function" ? draft() : draft, deadline);
          const text = await this.#textOf(answer, deadline);
          const { statusCode = 0 } = answer;
          const isPassing = statusCode >= 500 && statusCode !== 501 && statusCode !== 507;
          if (!isPassing || attempt === MAX_ATTEMPTS) return { answer, text };
        } catch (cause) {
          const isLast = attempt === MAX_ATTEMPTS || deadline.hasPassed;
          if (isLast || !isAntsError(cause, "backup-target-unreachable")) throw cause;
        }
        await clock.sleep(pause, signal);
      }
    } finally {
      deadline.end();
    }
  }

  async #textOf(answer: IncomingMessage, deadline: Deadline): Promise<string> {
    const text = await textOf(answer, MAX_ANSWER_BYTES).catch((cause: unknown) => {
      this.#options.signal.throwIfAborted();
      throw deadline.hasPassed ? this.#tooSlow() : this.#brokeOff(cause);
    });
    if (text === undefined) throw targetError(this.url, "backup-target", "its answer is longer than any can be");
    return text;
  }

  async #send(draft: Draft, deadline: Deadline): Promise<IncomingMessage> {
    const { clock, signal } = this.#options;
    this.#credentials ??= this.#ask();
    const credentials = await this.#credentials;
    const { region } = this.#place;
    const either = AbortSignal.any([signal, deadline.signal]);
    try {
      return await s3Call({ ...draft, region, credentials, nowMs: clock.nowMs(), signal: either });
    } catch (error) {
      signal.throwIfAborted();
      if (deadline.hasPassed) throw this.#tooSlow();
      if (isAntsError(error)) throw error;
      const why = quoted(error instanceof Error ? error.message : String(error), this.#secrets);
      throw targetError(this.url, "backup-target-unreachable", why, error);
    }
  }

  async #ask(): Promise<S3Credentials> {
    const { s3Credentials } = this.#options;
    if (s3Credentials === undefined)
      throw new AntsError("backup-target-denied", `${this.url}: there is nothing to sign requests with`);
    const credentials = await s3Credentials();
    this.#secrets = Object.values(credentials).filter((text: string) => text.length >= MIN_SECRET_CHARACTERS);
    // What no header takes would be named, all of it, by the error that says so.
    if (Object.values(credentials).every((text: string) => /^[\x21-\x7e]+$/.test(text))) return credentials;
    throw new AntsError(
      "backup-target-denied",
      `${this.url}: the key, its id or its token has characters that none has`,
      {
        hint: "is there a line break or a blank in it? put it in again: ants secret set backup.s3, or the AWS_ variables",
      },
    );
  }

  #refusal({ statusCode }: IncomingMessage, text: string): AntsError {
    const code = xmlField(text, "Code") ?? "";
    const said = quoted([code, xmlField(text, "Message")].filter(Boolean).join(": "), this.#secrets);
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
