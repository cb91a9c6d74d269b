// node backup.mjs create|prune|rewrap HOME FOLDER: makes an archive of a home, prunes, or encrypts anew; the vault's content
// comes on stdin.
import { readFileSync } from "node:fs";
import { nodeDisk } from "ants-agent/keys/node";
import { systemClock, systemRandom } from "../../../dist/keys/ports.js";
import { tagKeys } from "../../../dist/src/agent/backup/archive-tag.js";
import { hostKeys } from "../../../dist/src/agent/backup/backup-keys.js";
import { Catalogue } from "../../../dist/src/agent/backup/catalogue.js";
import { createBackup } from "../../../dist/src/agent/backup/create-backup.js";
import { pruneBackups } from "../../../dist/src/agent/backup/prune-backups.js";
import { rewrapBackups } from "../../../dist/src/agent/backup/rewrap-backups.js";
import { openTarget } from "../../../dist/src/agent/backup/target.js";
import { AgentHome } from "../../../dist/src/agent/home.js";

const [mode, path, folder] = process.argv.slice(2);
const { did, signSeed, stateKey, backup } = JSON.parse(readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const vault = { did, signSeed: bytes(signSeed), stateKey: bytes(stateKey), backup, earlier: [], secrets: {} };
const { signal } = new AbortController();
const ports = { clock: systemClock, random: systemRandom, signal };
const targets = [openTarget(folder, ports)];
const home = await AgentHome.open(nodeDisk, path);
const catalogue = new Catalogue(nodeDisk, home.layout.state);
const all = { home, vault, targets, disk: nodeDisk, catalogue, dryRun: false, ...ports };
if (mode === "create") await createBackup({ ...all, tier: "hot" });
else if (mode === "rewrap") await rewrapBackups({ ...all, identities: hostKeys(vault) });
else {
  const policy = { hot: { hourly: 1 }, cold: {} };
  const keys = async () => tagKeys(vault);
  await pruneBackups({ targets, policy, dryRun: false, catalogue, keys, ...ports });
}
