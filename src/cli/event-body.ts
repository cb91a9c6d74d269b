import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { concat, fromUtf8 } from "../../keys/bytes.js";
import { canonicalBytes, type JsonObject, parseCanonicalObject } from "../../keys/canonical.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { MAX_LINE_BYTES } from "../protocol/limits.js";
import { usageError } from "./usage.js";

const NEWLINE = 0x0a;

export interface BodySource {
  /** Text or a JSON object; "-" is stdin. */
  readonly argument?: string;
  readonly file?: string;
  /** Where "-" reads from. */
  readonly stdin: Readable;
  /** The command that asks, for the hint of a usage error; `publish` unless given. */
  readonly command?: string;
}

/** Where bodies are read from, found and opened before the pen is taken. */
export interface BodyInput {
  readonly stream: Readable;
  /** What a person calls it. */
  readonly name: string;
}

/**
 * One body from wherever the command line says. Throws AntsError "usage", "body-file", "too-large", "json-utf8", or
 * the strict reader's code for what has no place in an event (`json-float`, `json-null` …).
 */
export async function readBody(source: BodySource, signal: AbortSignal): Promise<JsonObject> {
  const { argument, file } = source;
  if (argument !== undefined && argument !== "-" && file === undefined) return checked(bodyOf(argument), "the body");
  const input = await openInput(source);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of partsOf(input, signal)) {
    parts.push(part);
    size += part.length;
    if (size > MAX_LINE_BYTES) throw tooLarge("the body");
  }
  return checked(bodyOf(textOf(concat(...parts), "the body").replace(/\r?\n$/, "")), "the body");
}

/** The input of {@link readBodies}. Throws AntsError "usage" or "body-file". */
export async function openLines(source: BodySource): Promise<BodyInput> {
  if (source.argument !== undefined && source.argument !== "-")
    throw usageError('--lines reads --file or stdin ("-"), and no other argument', "publish");
  return openInput(source);
}

/**
 * One body a line, as they come; empty lines are passed over. `onLine` is told the number of each body's line, from 1,
 * right before the body is given. Throws as {@link readBody}; texts name the line.
 */
export async function* readBodies(
  input: BodyInput,
  signal: AbortSignal,
  onLine?: (number: number) => void,
): AsyncGenerator<JsonObject, void, undefined> {
  let number = 0;
  for await (const line of linesOf(partsOf(input, signal))) {
    signal.throwIfAborted();
    number += 1;
    const where = `line ${number}`;
    if (line.length > MAX_LINE_BYTES) throw tooLarge(where);
    const text = textOf(line, where).replace(/\r$/, "");
    if (text.trim() === "") continue;
    const body = checked(bodyOf(text), where);
    onLine?.(number);
    yield body;
  }
}

/** Lines without their newline; one that is too long comes as soon as it is known to be. */
async function* linesOf(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let begun: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    let start = 0;
    for (let end = part.indexOf(NEWLINE); end >= 0; end = part.indexOf(NEWLINE, start)) {
      yield concat(...begun, part.subarray(start, end));
      begun = [];
      size = 0;
      start = end + 1;
    }
    begun.push(part.subarray(start));
    size += part.length - start;
    if (size > MAX_LINE_BYTES) break;
  }
  if (size > 0) yield concat(...begun);
}

/** Text that is a JSON object is the body; any other text is the body's `text`. */
export function bodyOf(text: string): JsonObject {
  if (/^\s*\{/.test(text)) {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
    } catch {
      // Text that only begins like an object is text.
    }
  }
  return { text };
}

/** A body as an event may have it, found out before anything is signed. `where` is what a person calls it. */
function checked(body: JsonObject, where: string): JsonObject {
  try {
    const bytes = canonicalBytes(body);
    if (bytes.length > MAX_LINE_BYTES) throw tooLarge(where);
    parseCanonicalObject(bytes);
    return body;
  } catch (error) {
    if (!isAntsError(error) || error.code === "too-large") throw error;
    throw new AntsError(error.code, `${where}: ${error.message}`, { cause: error, details: error.details });
  }
}

function textOf(bytes: Uint8Array, where: string): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new AntsError("json-utf8", `${where} is no UTF-8 text (${bytes.length} bytes)`, {
      cause,
      hint: "encode it (base64), or keep it elsewhere and publish its hash",
    });
  }
}

async function openInput({ argument, file, stdin, command = "publish" }: BodySource): Promise<BodyInput> {
  if (file !== undefined && argument !== undefined) throw usageError("a body and --file: only one of them", command);
  if (argument === "-") return { stream: stdin, name: "stdin" };
  if (file === undefined)
    throw usageError(`what to ${command} is missing: text, a JSON object, --file, or "-" for stdin`, command);
  try {
    const handle = await open(file, "r");
    if ((await handle.stat()).isDirectory()) {
      await handle.close();
      throw unreadable(file, "it is a folder");
    }
    return { stream: handle.createReadStream(), name: file };
  } catch (error) {
    throw isAntsError(error) ? error : unreadable(file, (error as Error).message, error);
  }
}

/** What comes, until the end or the signal: a read that nobody answers ends with it. */
async function* partsOf({ stream, name }: BodyInput, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const onAbort = (): void => void stream.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const part of stream) yield part as Buffer;
  } catch (cause) {
    signal.throwIfAborted();
    throw unreadable(name, (cause as Error).message, cause);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  signal.throwIfAborted();
}

function unreadable(name: string, why: string, cause?: unknown): AntsError {
  return new AntsError("body-file", `cannot read ${name}: ${why}`, {
    details: { path: name },
    ...(cause === undefined ? {} : { cause }),
  });
}

function tooLarge(where: string): AntsError {
  const limit = `${where} is too large: an event has at most ${MAX_LINE_BYTES} bytes, with its signature`;
  return new AntsError("too-large", limit, {
    hint: "publish it in parts (--lines), or keep the bulk elsewhere and publish its hash",
    details: { maxBytes: MAX_LINE_BYTES },
  });
}
