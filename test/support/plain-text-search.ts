import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** A text as it might lie around: as it is, in hexadecimal, and within base64 of something longer, at any offset. */
function spellings(text: string): string[] {
  const bytes = Buffer.from(text, "utf8");
  const within = [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    // The first and the last digits depend on the neighbours.
    const core = encoded.slice(offset === 0 ? 0 : 4, -2);
    return [core, core.replaceAll("+", "-").replaceAll("/", "_")];
  });
  return [text, bytes.toString("hex"), bytes.toString("hex").toUpperCase(), ...within];
}

/** Whether some bytes hold a text in any spelling, also inside of gzip. */
export function holds(bytes: Buffer, text: string): boolean {
  if (spellings(text).some((spelling) => bytes.includes(spelling))) return true;
  for (let at = bytes.indexOf("1f8b08", 0, "hex"); at >= 0; at = bytes.indexOf("1f8b08", at + 1, "hex")) {
    try {
      if (holds(gunzipSync(bytes.subarray(at)), text)) return true;
    } catch {
      // Only looks like the beginning of gzip.
    }
  }
  return false;
}

/** The files under a folder that hold a text in any spelling. */
export function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => holds(readFileSync(path), text));
}
