import type { Disk } from "../../keys/ports.js";

/** Linux: drawn anew at every start of the kernel. */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** Which run of the operating system this is; undefined where it doesn't say. */
export async function readBootId(disk: Disk): Promise<string | undefined> {
  try {
    const bytes = await disk.read(BOOT_ID);
    return bytes && Buffer.from(bytes).toString("utf8").trim();
  } catch {
    return undefined;
  }
}
