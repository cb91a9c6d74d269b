import { AntsError } from "../../keys/errors.js";
import type { Clock, Random } from "../../keys/ports.js";
import type { ChainStore } from "../client/chain-store.js";
import type { Publisher } from "../client/publisher.js";
import { SecretKeeper } from "./secret-keeper.js";
import { readFromChain, stateKeysOf } from "./secret-reading.js";
import { SecretLedger } from "./secret-records.js";
import type { SecretVault } from "./secret-vault.js";
import { type SecretAlarm, type UsedCredential, type UseSecretOptions, useSecret } from "./use-secret.js";

export interface AgentSecretsParts {
  readonly vault: SecretVault | undefined;
  readonly chain: ChainStore;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly random: Random;
}

/** A record that a quorum does not have by then goes out later: the chain on this disk has it, and sends it again. */
const RECORD_TIMEOUT_MS = 10_000;

/**
 * The named secrets of an agent that holds the pen. Its chain is as new as a quorum's, so what it says of a secret is
 * all that there is to know: no relay has to be asked again.
 */
export class AgentSecretsAtWork {
  readonly #parts: AgentSecretsParts;
  readonly #listeners = new Set<(alarm: SecretAlarm) => void>();
  readonly #ledger = new SecretLedger();
  #readTo = 0;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(parts: AgentSecretsParts) {
    this.#parts = parts;
  }

  /** Changes secrets, and records the changes in this agent's chain. Throws "vault-closed" where there is no vault. */
  get keeper(): SecretKeeper {
    const { clock, random } = this.#parts;
    return new SecretKeeper({
      file: this.#vault,
      ledger: () => this.#upToDate(),
      publish: (drafts) => this.#parts.publisher.publish(drafts, { signal: AbortSignal.timeout(RECORD_TIMEOUT_MS) }),
      clock,
      random,
    });
  }

  /**
   * Runs `work` with the value of a secret: with its preferred credential and, each time that `work` throws a
   * `credentialRefused`, with the next one. A refusal is noted in the vault, told to every listener, and recorded in
   * the chain as a private event of kind `ants.alarm`. The value is a copy, overwritten when `work` is done.
   *
   * Throws "secret-unknown", "secret-stale", "secret-expired", "credentials-exhausted", and what `work` throws.
   */
  async use<T>(
    name: string,
    work: (value: Uint8Array, credential: UsedCredential) => Promise<T> | T,
    options?: UseSecretOptions,
  ): Promise<T> {
    const { keeper } = this;
    const parts = {
      file: this.#vault,
      keeper,
      ledger: () => this.#upToDate(),
      clock: this.#parts.clock,
      alarm: (alarm: SecretAlarm) => {
        for (const listener of this.#listeners) listener(alarm);
      },
    };
    return useSecret(parts, name, work, options);
  }

  onAlarm(listener: (alarm: SecretAlarm) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get #vault(): SecretVault {
    const { vault } = this.#parts;
    if (vault === undefined) throw new AntsError("vault-closed", "this agent was opened without its vault");
    return vault;
  }

  /** One reading at a time: each goes on where the one before it stopped. */
  #upToDate(): Promise<SecretLedger> {
    const reading = this.#reading
      .catch(() => {})
      .then(async () => {
        const keys = stateKeysOf(this.#vault.vault.content);
        this.#readTo = await readFromChain(this.#ledger, this.#parts.chain, keys, this.#readTo);
        return this.#ledger;
      });
    this.#reading = reading;
    return reading;
  }
}
