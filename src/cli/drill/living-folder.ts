import type { Dirent } from "node:fs";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/**
 * Yields what is under a folder whose owner may be at work in it, parents first. What vanishes between two looks (a
 * temporary file that is renamed into place) is left out; a folder that is not there has nothing in it.
 */
export async function* livingEntries(folder: string): AsyncIterable<Dirent> {
  for (const entry of await unlessGone(readdir(folder, { withFileTypes: true }), [])) {
    yield entry;
    if (entry.isDirectory()) yield* livingEntries(join(folder, entry.name));
  }
}

/** Copies a folder whose owner may be at work in it, each file as it is when its turn comes. */
export async function copyLiving(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for await (const entry of livingEntries(from)) {
    const path = join(entry.parentPath, entry.name);
    const copy = join(to, relative(from, path));
    if (entry.isDirectory()) await mkdir(copy, { recursive: true });
    else if (entry.isFile()) await unlessGone(copyFile(path, copy), undefined);
  }
}

/** What is read of a path, or `otherwise` where the path is gone by now. */
export async function unlessGone<T>(reading: Promise<T>, otherwise: T): Promise<T> {
  return await reading.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return otherwise;
    throw error;
  });
}
