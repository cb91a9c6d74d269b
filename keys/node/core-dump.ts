import { writeFileSync } from "node:fs";

/**
 * Keeps this process's memory, and with it unlocked keys, out of core dumps from now on (core(5): no kind of mapping
 * is dumped). Also obeyed by gdb's gcore. Returns false where the system has no such switch: a core may then hold keys.
 */
export function keepMemoryOutOfCoreDumps(): boolean {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
    return true;
  } catch {
    return false;
  }
}
