import type { OpenVault } from "../../keys/node/vault.js";
import { readVaultFile, updateVaultFile } from "../../keys/node/vault-file.js";
import type { Secrets } from "./secret-changes.js";

/** The secrets of an open vault and its file. The vault stays its owner's to close. */
export class SecretVault {
  readonly vault: OpenVault;
  readonly path: string;

  constructor(vault: OpenVault, path: string) {
    this.vault = vault;
    this.path = path;
  }

  /** As last read or written. Throws "vault-closed". */
  get secrets(): Secrets {
    return this.vault.content.secrets;
  }

  /** Takes over what other processes wrote. Throws what reading the file throws, "vault-replaced". */
  async refresh(): Promise<void> {
    this.vault.refresh(await readVaultFile(this.path));
  }

  /** Changes the secrets as they are in the file now; on disk when resolved. Throws what `change` and writing throw. */
  async change(change: (secrets: Secrets) => Secrets): Promise<void> {
    await updateVaultFile(
      this.path,
      (present) => {
        this.vault.refresh(present);
        const { content } = this.vault;
        return this.vault.reseal({ ...content, secrets: change(content.secrets) });
      },
      { label: "a change of secrets" },
    );
  }
}
