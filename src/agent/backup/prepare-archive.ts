import { concat } from "../../../keys/bytes.js";
import { publicKeyFromSeed } from "../../../keys/ed25519/index.js";
import { AntsError } from "../../../keys/errors.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import type { Clock, Disk } from "../../../keys/ports.js";
import { ChainStore } from "../../client/chain-store.js";
import { IdentityLog } from "../../client/identity-log.js";
import type { ChainHead } from "../../protocol/event.js";
import type { AgentHome } from "../home.js";
import { type FileLook, type HomeFile, type ReadSoFar, readHome } from "./home-files.js";
import { type BackupManifest, IDENTITY_PATH } from "./manifest.js";
import type { ArchiveContent } from "./write-archive.js";

export interface PrepareOptions {
  readonly home: AgentHome;
  readonly tier: BackupManifest["tier"];
  /** `age1…` */
  readonly recipients: readonly string[];
  /** The agent's Ed25519 seed: its key must be live, or nobody would believe the manifest. */
  readonly signSeed: Uint8Array;
  /** Absolute paths that are left out beside what never belongs into an archive, with the reason. */
  readonly exclude?: ReadonlyMap<string, string>;
  /** Looks at every file, and throws where one must not leave this host. */
  readonly look?: FileLook;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly signal: AbortSignal;
  readonly onProgress?: (read: ReadSoFar) => void;
}

const CHAIN_FOLDER = ".ants/chain";

/**
 * Reads a home for an archive, also while its agent is at work in it, and says in the manifest what is in it. Throws
 * "backup-changing", "key-not-live" (the vault's key may not sign for this agent: it was rotated away), "chain-damaged",
 * what `look` throws, disk errors, the signal's reason.
 */
export async function prepareArchive(options: PrepareOptions): Promise<ArchiveContent> {
  const { home, tier, recipients, signSeed, clock } = options;
  const { did, label } = home.config;
  const { files, ...rest } = await readHome({ ...options, home: home.path });
  const identity = await identityOf(did, files);
  const key = encodeMultikey(publicKeyFromSeed(signSeed));
  if (identity.standingOf(key)?.live !== true) {
    throw new AntsError("key-not-live", `the key in this vault, ${key}, may not sign for ${did}`, {
      hint: "it was rotated away: get the vault of the host where the agent lives, or ants recover",
      details: { did, key },
    });
  }
  const head = await headOf(did, files, identity, options.disk);
  const manifest: BackupManifest = {
    did,
    tier,
    timeMs: clock.nowMs(),
    ...(head === undefined ? {} : { head }),
    identity: identity.newest!.hash,
    label,
    files: files.map(({ path, size, sha256, mode }) => ({ path, size, sha256, mode })),
    ...rest,
    recipients,
  };
  return { manifest, files };
}

async function identityOf(did: string, files: readonly HomeFile[]): Promise<IdentityLog> {
  const file = files.find(({ path }) => path === IDENTITY_PATH);
  const bytes = file === undefined ? new Uint8Array() : await bytesOf(file);
  return IdentityLog.learnt(did, linesOf(bytes));
}

/** The head of the chain as it was read: verified from the very bytes that go into the archive. */
async function headOf(
  did: string,
  files: readonly HomeFile[],
  identity: IdentityLog,
  disk: Disk,
): Promise<ChainHead | undefined> {
  const chain = new Map(
    files.filter(({ path }) => path.startsWith(`${CHAIN_FOLDER}/`)).map((file) => [file.path, file]),
  );
  const asRead: Disk = {
    ...disk,
    list: async () => [...chain.keys()].map((path) => path.slice(CHAIN_FOLDER.length + 1)).sort(),
    read: async (path) => {
      const file = chain.get(path);
      return file === undefined ? undefined : bytesOf(file);
    },
    // A line that is not whole never came this far.
    truncate: async () => {},
  };
  const store = await ChainStore.open({ disk: asRead, folder: CHAIN_FOLDER, did, keys: identity });
  const { head } = store;
  return head === undefined ? undefined : { epoch: head.epoch, seq: head.seq, id: head.id };
}

async function bytesOf(file: HomeFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of file.bytes()) parts.push(part);
  return concat(...parts);
}

/** Whole lines: what a crash tore is none. */
export function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
