import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { concat, fromUtf8 } from "../../keys/bytes.js";
import type { JsonObject } from "../../keys/canonical.js";
import { AntsError } from "../../keys/errors.js";
import { MAX_LINE_BYTES } from "../protocol/limits.js";
import { usageError } from "./usage.js";

export interface BodySource {
  /** Text or a JSON object; "-" is stdin. */
  readonly argument?: string;
  readonly file?: string;
  /** Where "-" reads from. */
  readonly stdin: Readable;
}

/** One body from wherever the command line says. Throws AntsError "usage", "body-file" or "too-large". */
export async function readBody(source: BodySource, signal: AbortSignal): Promise<JsonObject> {
  if (source.argument !== undefined && source.argument !== "-" && source.file === undefined)
    return bodyOf(source.argument);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of await inputOf(source, signal)) {
    parts.push(part as Buffer);
    size += (part as Buffer).length;
    if (size > MAX_LINE_BYTES) throw tooLarge();
  }
  return bodyOf(fromUtf8(concat(...parts)).replace(/\r?\n$/, ""));
}

/** One body a line, as they come; empty lines are passed over. Throws as {@link readBody}. */
export async function* readBodies(
  source: BodySource,
  signal: AbortSignal,
): AsyncGenerator<JsonObject, void, undefined> {
  const input = await inputOf(source, signal);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) {
      signal.throwIfAborted();
      if (line.length > MAX_LINE_BYTES) throw tooLarge();
      if (line.trim() !== "") yield bodyOf(line);
    }
    signal.throwIfAborted();
  } finally {
    lines.close();
    input.destroy();
  }
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

async function inputOf({ argument, file, stdin }: BodySource, signal: AbortSignal): Promise<Readable> {
  if (file !== undefined && argument !== undefined) throw usageError("a body and --file: only one of them", "publish");
  if (argument === "-") {
    // A read of stdin that nobody answers ends with the signal.
    signal.addEventListener("abort", () => stdin.destroy(), { once: true });
    return stdin;
  }
  if (file === undefined)
    throw usageError('what to publish is missing: text, a JSON object, --file, or "-" for stdin', "publish");
  try {
    const handle = await open(file, "r");
    return handle.createReadStream();
  } catch (cause) {
    throw new AntsError("body-file", `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
      details: { path: file },
    });
  }
}

function tooLarge(): AntsError {
  return new AntsError("too-large", `a body has at most ${MAX_LINE_BYTES} bytes, with its signature around it`, {
    hint: "publish it in parts (--lines), or keep the bulk elsewhere and publish its hash",
    details: { maxBytes: MAX_LINE_BYTES },
  });
}
