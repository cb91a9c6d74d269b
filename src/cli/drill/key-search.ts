import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { livingEntries, unlessGone } from "./living-folder.js";

/** Where a key was found. */
export interface KeyFound {
  readonly key: string;
  readonly where: string;
}

export interface SearchedDisk {
  readonly files: number;
  readonly bytes: number;
  readonly found: readonly KeyFound[];
}

/**
 * The ways in which the bytes of a key may lie in a file in clear: as they are, in hexadecimal of either case, and
 * within base64 of something longer, at any offset, in both alphabets.
 */
function spellings(key: Uint8Array): Buffer[] {
  const bytes = Buffer.from(key);
  const hex = bytes.toString("hex");
  const within = [0, 1, 2].flatMap((offset) => {
    // What stands at the edges depends on the neighbours.
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const core = encoded.slice(offset === 0 ? 0 : 4, -2);
    return [core, core.replaceAll("+", "-").replaceAll("/", "_")];
  });
  return [bytes, ...[hex, hex.toUpperCase(), ...within].map((text) => Buffer.from(text))];
}

/** Searches bytes, and what is packed with gzip in them, for keys in clear. Returns the names of those that are there. */
export function keysIn(bytes: Buffer, keys: Readonly<Record<string, Uint8Array>>): string[] {
  const parts = [bytes, ...unpacked(bytes)];
  return Object.entries(keys).flatMap(([name, key]) => {
    const ways = spellings(key);
    return parts.some((part) => ways.some((way) => part.includes(way))) ? [name] : [];
  });
}

/** Searches every file under these folders. */
export async function searchDisks(
  folders: readonly string[],
  keys: Readonly<Record<string, Uint8Array>>,
): Promise<SearchedDisk> {
  let [files, size] = [0, 0];
  const found: KeyFound[] = [];
  for (const folder of folders) {
    for await (const entry of livingEntries(folder)) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const bytes = await unlessGone<Buffer | undefined>(readFile(path), undefined);
      if (bytes === undefined) continue;
      files += 1;
      size += bytes.length;
      found.push(...keysIn(bytes, keys).map((key) => ({ key, where: path })));
    }
  }
  return { files, bytes: size, found };
}

function unpacked(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = bytes.indexOf("1f8b08", 0, "hex"); at >= 0; at = bytes.indexOf("1f8b08", at + 1, "hex")) {
    try {
      parts.push(gunzipSync(bytes.subarray(at)));
    } catch {
      // It only looks like the beginning of gzip.
    }
  }
  return parts;
}
