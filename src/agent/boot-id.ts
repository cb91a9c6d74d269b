import { fromUtf8 } from "../../keys/bytes.js";
import type { Disk } from "../../keys/ports.js";

/** What tells this boot of this machine from all others, where the system says it (Linux; proc(5)). */
export async function bootId(disk: Disk): Promise<string | undefined> {
  try {
    const text = await disk.read("/proc/sys/kernel/random/boot_id");
    return text === undefined ? undefined : fromUtf8(text).trim();
  } catch {
    return undefined;
  }
}
