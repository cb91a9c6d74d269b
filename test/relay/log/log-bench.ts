import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../../../keys/bytes.js";
import { type LogFile, type LogFiles, nodeLogFiles } from "../../../relay/log/log-files.js";
import { entriesOf } from "../../../relay/log/log-slice.js";
import { SegmentLog, type SegmentLogOptions } from "../../../relay/log/segment-log.js";
import type { EventDraft, SignedEvent } from "../../../src/protocol/batch.js";
import { batch, before, note } from "../../protocol/author.js";

/** Signed events that follow one another; every third is addressed. */
export function events(count: number, more: (i: number) => Partial<EventDraft> = () => ({})): SignedEvent[] {
  const signed: SignedEvent[] = [];
  while (signed.length < count) {
    const drafts = Array.from({ length: Math.min(64, count - signed.length) }, (_, i) => {
      const n = signed.length + i;
      return note(`entry ${n}`, more(n));
    });
    signed.push(...batch(drafts, signed.at(-1)?.event ?? before));
  }
  return signed;
}

/** Lines as the log takes them. */
export function packed(signed: readonly SignedEvent[]): { lines: Uint8Array; lengths: number[] } {
  const each = signed.map(({ line }) => utf8(`${line}\n`));
  return { lines: Buffer.concat(each), lengths: each.map(({ length }) => length) };
}

/** Appends and commits. */
export async function write(log: SegmentLog, signed: readonly SignedEvent[]): Promise<number> {
  const { lines, lengths } = packed(signed);
  log.append(lines, lengths);
  return log.commit();
}

export function openLog(folder: string, more: Partial<SegmentLogOptions> = {}): Promise<SegmentLog> {
  return SegmentLog.open({
    folder: join(folder, "log"),
    offsetsFolder: join(folder, "offsets"),
    files: nodeLogFiles,
    ...more,
  });
}

/** All lines from `from` on, by reading with these bounds again and again. */
export async function readAll(log: SegmentLog, from = 1, maxEntries = 256, maxBytes = 2 ** 20): Promise<string[]> {
  const lines: string[] = [];
  for (let next = from; ; ) {
    const slice = await log.read(next, { maxEntries, maxBytes });
    if (slice.count === 0) return lines;
    for (const { line } of entriesOf(slice)) lines.push(Buffer.from(line).toString("utf8"));
    next += slice.count;
  }
}

/** The segment files' names and bytes, oldest first. */
export function segmentFiles(folder: string): { name: string; path: string; bytes: Buffer }[] {
  const log = join(folder, "log");
  return readdirSync(log)
    .sort()
    .map((name) => ({ name, path: join(log, name), bytes: readFileSync(join(log, name)) }));
}

export type Call = "write" | "datasync" | "truncate" | "create" | "syncFolder";

/** The files of this machine, with every call noted, and failing where `fails` says so. */
export function watchedFiles(fails: (call: Call, nth: number) => Error | undefined = () => undefined) {
  const calls: Call[] = [];
  const enter = (call: Call) => {
    calls.push(call);
    const error = fails(call, calls.filter((past) => past === call).length);
    if (error !== undefined) throw error;
  };
  const watched = (file: LogFile): LogFile => ({
    stamp: () => file.stamp(),
    read: (into, offset) => file.read(into, offset),
    close: () => file.close(),
    write: async (buffers, offset) => {
      enter("write");
      await file.write(buffers, offset);
    },
    datasync: async () => {
      enter("datasync");
      await file.datasync();
    },
    truncate: async (bytes) => {
      enter("truncate");
      await file.truncate(bytes);
    },
  });
  const files: LogFiles = {
    ...nodeLogFiles,
    open: async (path, how) => {
      if (how === "create") enter("create");
      return watched(await nodeLogFiles.open(path, how));
    },
    syncFolder: async (folder) => {
      enter("syncFolder");
      await nodeLogFiles.syncFolder(folder);
    },
  };
  return { files, calls };
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}
