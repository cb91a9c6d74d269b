import { readFileSync } from "node:fs";
import { lstat, realpath, statfs } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { AntsError } from "../errors.js";
import { diskError, hasErrno } from "./disk-error.js";

/** Where a file would be kept, and whether what is written there survives a restart. */
export interface Place {
  /** The nearest folder that exists, without symbolic links. */
  readonly folder: string;
  /** As mountinfo or statfs names it: "ext4", "tmpfs", "overlay" …; "unknown" where neither tells. */
  readonly fileSystem: string;
  readonly mountPoint?: string;
  readonly verdict: "durable" | "memory" | "container-layer" | "temporary-folder";
}

/** A mount as /proc/self/mountinfo tells it (proc_pid_mountinfo(5)). */
interface Mount {
  readonly mountPoint: string;
  readonly fileSystem: string;
}

/** Gone with the machine's power. */
const MEMORY_FILE_SYSTEMS = new Set(["tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs"]);
/** The writable layer of a container: gone when the container is removed. A volume is a mount of its own. */
const CONTAINER_FILE_SYSTEMS = new Set(["overlay", "overlayfs", "aufs", "fuse.fuse-overlayfs", "unionfs"]);
/** Emptied at boot or by age, whatever file system they are on. */
const TEMPORARY_FOLDERS = ["/tmp", "/var/tmp", "/private/tmp", "/private/var/tmp", "/private/var/folders", "/dev/shm"];
/** f_type of statfs(2), for where /proc is not mounted. */
const FILE_SYSTEM_OF_MAGIC = new Map<number, string>([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x958458f6, "hugetlbfs"],
  [0x794c7630, "overlay"],
  [0x61756673, "aufs"],
]);

/**
 * Refuses a path where a key would be lost: file systems in memory, the writable layer of a container, folders that
 * are emptied. The path itself need not exist. `allowEphemeral` is for throw-away agents. Throws AntsError
 * "vault-ephemeral" that says what the place is.
 */
export async function assertDurablePlace(
  path: string,
  options: { readonly allowEphemeral?: boolean; readonly what?: string } = {},
): Promise<void> {
  if (options.allowEphemeral === true) return;
  const place = await placeOf(path);
  if (place.verdict === "durable") return;
  throw new AntsError("vault-ephemeral", `refused to keep ${options.what ?? "a key"} in ${path}: ${explain(place)}`, {
    hint:
      place.verdict === "container-layer"
        ? "mount a volume and put it there, or set ANTS_ALLOW_EPHEMERAL=1 for what may be lost"
        : "choose a folder on a disk, or set ANTS_ALLOW_EPHEMERAL=1 for what may be lost",
    details: { path, ...place },
  });
}

/** Looks at where `path` is, or would be. Throws a disk error when its folders cannot be looked at. */
export async function placeOf(path: string): Promise<Place> {
  const folder = await nearestFolder(resolve(path));
  const mount = mountOf(folder, readMountinfo());
  const fileSystem = mount?.fileSystem ?? (await fileSystemByStatfs(folder));
  return {
    folder,
    fileSystem,
    ...(mount === undefined ? {} : { mountPoint: mount.mountPoint }),
    verdict: verdict(folder, fileSystem),
  };
}

/** The mount that a folder (without symbolic links) is on: the longest mount point above it, of equals the last. */
export function mountOf(folder: string, mountinfo: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    // 36 35 98:0 /root /mount/point options optional… - ext4 /dev/x superoptions
    const [before, after] = line.split(" - ", 2);
    const mountPoint = unescapeMount(before?.split(" ")[4] ?? "");
    const fileSystem = after?.split(" ")[0];
    if (mountPoint === "" || fileSystem === undefined || !isWithin(folder, mountPoint)) continue;
    if (found === undefined || mountPoint.length >= found.mountPoint.length) found = { mountPoint, fileSystem };
  }
  return found;
}

function verdict(folder: string, fileSystem: string): Place["verdict"] {
  if (MEMORY_FILE_SYSTEMS.has(fileSystem)) return "memory";
  if (temporaryRoot(folder) !== undefined) return "temporary-folder";
  if (CONTAINER_FILE_SYSTEMS.has(fileSystem)) return "container-layer";
  return "durable";
}

function explain(place: Place): string {
  switch (place.verdict) {
    case "memory":
      return `${place.mountPoint ?? place.folder} is a ${place.fileSystem}, which lives in memory and is gone after a restart`;
    case "container-layer":
      return `${place.mountPoint ?? place.folder} is the ${place.fileSystem} of a container, which is gone when the container is removed`;
    default: {
      const root = temporaryRoot(place.folder);
      return root === place.folder
        ? `the system empties ${root}`
        : `${place.folder} is in ${root}, which the system empties`;
    }
  }
}

/** The folder that is emptied, of those that a folder is in or is itself. */
function temporaryRoot(folder: string): string | undefined {
  return TEMPORARY_FOLDERS.find((temporary) => isWithin(folder, temporary));
}

async function nearestFolder(path: string): Promise<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      return await realpath(folder);
    } catch (error) {
      if (!hasErrno(error, "ENOENT") || folder === dirname(folder)) throw diskError(error, "look at", folder);
      // A dangling link is there, but leads nowhere yet: whatever is made behind it was not judged.
      if ((await lstat(folder).catch(() => undefined))?.isSymbolicLink()) throw diskError(error, "look at", folder);
    }
  }
}

function readMountinfo(): string {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return "";
  }
}

async function fileSystemByStatfs(folder: string): Promise<string> {
  if (process.platform !== "linux") return "unknown";
  try {
    return FILE_SYSTEM_OF_MAGIC.get(Number((await statfs(folder)).type) >>> 0) ?? "unknown";
  } catch (error) {
    throw diskError(error, "look at", folder);
  }
}

/** Space, tab, newline and backslash are written as \ooo. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && join(folder, way) === path);
}
