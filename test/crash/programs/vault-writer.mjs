// vault-writer.mjs PATH KEYFILE ROUNDS: counts the high-water mark of a vault up, and prints each number once it is on
// disk. Any failure is printed as its code.
import { readFileSync } from "node:fs";
import { openVault, readVaultFile, updateVaultFile } from "ants-agent/keys/node";

const [path, keyFile, rounds] = process.argv.slice(2);
const vault = openVault(await readVaultFile(path), { keyFile: readFileSync(keyFile) });
console.log("ready");
for (let round = 0; round < Number(rounds); round++) {
  try {
    await updateVaultFile(path, (present) => {
      vault.refresh(present);
      const { epoch, seq, id } = vault.content.highWater;
      return vault.reseal({ ...vault.content, highWater: { epoch, seq: seq + 1, id } });
    });
    console.log(vault.content.highWater.seq);
  } catch (error) {
    console.log(error.code);
  }
}
