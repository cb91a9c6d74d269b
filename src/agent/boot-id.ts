import { stat } from "node:fs/promises";
import { fromUtf8 } from "../../keys/bytes.js";
import type { Disk } from "../../keys/ports.js";

/** What tells this boot of this machine from all others, where the system says it (Linux; proc(5)). */
async function bootId(disk: Disk): Promise<string | undefined> {
  try {
    const text = await disk.read("/proc/sys/kernel/random/boot_id");
    return text === undefined ? undefined : fromUtf8(text).trim();
  } catch {
    return undefined;
  }
}

/**
 * What tells this very folder in this boot from all others, its copies among them: the boot, and the device and inode of
 * a file that stays as long as the folder does and that no copy shares. Undefined where the system says neither.
 */
export async function bootAndPlace(disk: Disk, file: string): Promise<string | undefined> {
  const boot = await bootId(disk);
  if (boot === undefined) return undefined;
  try {
    const { dev, ino } = await stat(file, { bigint: true });
    return `${boot} ${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
