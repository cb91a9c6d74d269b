import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../../keys/bytes.js";
import { generateSeed, publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { createIdentity } from "../../keys/identity/create.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { VaultContent } from "../../keys/node/vault-content.js";
import { generatePhrase, parsePhrase, phraseKeys } from "../../keys/phrase.js";
import { type Clock, systemClock } from "../../keys/ports.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { recipientsOf } from "../../src/agent/backup/backup-keys.js";
import type { ReadSoFar } from "../../src/agent/backup/home-files.js";
import { prepareArchive } from "../../src/agent/backup/prepare-archive.js";
import { type AgeIdentity, readArchive } from "../../src/agent/backup/read-archive.js";
import { writeArchive } from "../../src/agent/backup/write-archive.js";
import { AgentHome } from "../../src/agent/home.js";
import type { ChainHead } from "../../src/protocol/event.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

/** An agent's home, and what its backups are made and opened with. */
export interface BackupHome {
  readonly path: string;
  readonly home: AgentHome;
  readonly vault: VaultContent;
  /** The phrase's backup key. */
  readonly words: AgeIdentity;
  /** Of the first recovery key. */
  readonly recoverySeed: Uint8Array;
}

/** Without a vault on disk: the archive's maker needs its content only. */
export async function backupHome(): Promise<BackupHome> {
  const { backup, escrow } = phraseKeys(parsePhrase(generatePhrase().words).entropy);
  const [signSeed, agreeSecret, recoverySeed] = [generateSeed(), generateSeed(), generateSeed()];
  const { did, line } = createIdentity({
    signSeeds: [signSeed],
    agree: x25519PublicKey(agreeSecret),
    recoveryKeys: [publicKeyFromSeed(recoverySeed)],
    escrow: escrow.publicKey,
    relays: [{ url: "wss://a.example", stream: "0123456789abcdef" }],
    timeMs: Date.now(),
  });
  const path = join(temporaryFolder(), "home");
  const home = await AgentHome.create(nodeDisk, path, { did, label: "test", founded: true }, utf8(line));
  const vault: VaultContent = {
    did,
    signSeed,
    agreeSecret,
    stateKey: generateSeed(),
    earlier: [],
    backup: encodeMultikey(backup.publicKey, "x25519"),
    secrets: {},
  };
  return { path, home, vault, words: backup, recoverySeed };
}

/** Files as an agent has them, and odd ones. */
export function furnish(path: string): void {
  mkdirSync(join(path, "memory", "empty folder"), { recursive: true });
  writeFileSync(join(path, "SOUL.md"), "# Scout\n", { mode: 0o644 });
  writeFileSync(join(path, "nothing"), "");
  writeFileSync(join(path, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(path, "memory", `${"long-".repeat(40)}ü.md`), "a long name");
  writeFileSync(join(path, "memory", "-rf *; 'quoted'\n.md"), "an odd name");
  writeFileSync(join(path, "large.bin"), Buffer.alloc(3_000_001, 0x5a));
  symlinkSync("../SOUL.md", join(path, "memory", "soul"));
}

export interface PackOptions {
  readonly tier?: "hot" | "cold";
  readonly clock?: Clock;
  readonly exclude?: ReadonlyMap<string, string>;
  readonly onProgress?: (read: ReadSoFar) => void;
}

/** The end of the chain that the manifest names, whatever is in the home: who only reads manifests does not look. */
export interface Headed {
  readonly head?: ChainHead;
}

export async function prepared({ home, vault }: BackupHome, options: PackOptions = {}) {
  const { tier = "hot", clock = systemClock } = options;
  const signal = new AbortController().signal;
  const recipients = recipientsOf(tier, vault);
  const { signSeed } = vault;
  return prepareArchive({ ...options, home, tier, recipients, signSeed, clock, disk: nodeDisk, signal });
}

/** An archive, as bytes. */
export async function packed(place: BackupHome, { head, ...options }: PackOptions & Headed = {}): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const { manifest, files } = await prepared(place, options);
  const content = { manifest: head === undefined ? manifest : { ...manifest, head }, files };
  for await (const part of writeArchive(content, place.vault.signSeed)) parts.push(part);
  return Buffer.concat(parts);
}

export async function* blocks(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Opens an archive and reads all of it: the files' contents by path, and the manifest. */
export async function unpacked(source: AsyncIterable<Uint8Array>, identities: readonly AgeIdentity[]) {
  const { manifest, files } = await readArchive(source, identities);
  const contents = new Map<string, Buffer>();
  for await (const { path, bytes } of files) {
    const parts: Uint8Array[] = [];
    for await (const part of bytes) parts.push(part);
    contents.set(path, Buffer.concat(parts));
  }
  return { manifest, contents };
}
