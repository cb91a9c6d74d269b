import { utf8 } from "../../../keys/bytes.js";
import { systemRandom } from "../../../keys/ports.js";
import type { Secrets } from "../../../src/agent/secret-changes.js";
import { type SecretFile, SecretKeeper } from "../../../src/agent/secret-keeper.js";
import { alarmOfBody, recordOfBody, SecretLedger } from "../../../src/agent/secret-records.js";
import type { PublishDraft } from "../../../src/client/publication.js";

export class Crash extends Error {}

/** A vault's secrets and a chain as they survive a process, and the moment at which the process is killed. */
export class FakeAgent {
  /** Every state that the vault's file ever had: the last is what it has now, the others are copies of it. */
  readonly states: Secrets[] = [{}];
  readonly chain: PublishDraft[] = [];
  nowMs = 1_000_000;
  /** Writes (to the vault or the chain) until the process is killed, right after the last of them. */
  writesLeft = Number.POSITIVE_INFINITY;
  writes = 0;

  get secrets(): Secrets {
    return this.states.at(-1)!;
  }

  get file(): SecretFile {
    const agent = this;
    return {
      get secrets() {
        return agent.secrets;
      },
      refresh: async () => {},
      change: async (change) => {
        const changed = change(agent.secrets);
        this.#write(() => this.states.push(changed));
      },
    };
  }

  readonly publish = async (drafts: readonly PublishDraft[]): Promise<void> => {
    this.#write(() => this.chain.push(...drafts));
  };

  ledger(): SecretLedger {
    const ledger = new SecretLedger();
    for (const { kind, body } of this.chain) {
      if (kind === "ants.secret") ledger.add(recordOfBody(body)!);
      else ledger.addAlarm(alarmOfBody(body)!);
    }
    return ledger;
  }

  keeper({ offline = false } = {}): SecretKeeper {
    return new SecretKeeper({
      file: this.file,
      ledger: async () => this.ledger(),
      ...(offline ? {} : { publish: this.publish }),
      clock: { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs, sleep: async () => {} },
      random: systemRandom,
    });
  }

  put(
    mode: "set" | "rotate",
    name: string,
    value: string,
    more: { label?: string; expiresMs?: number; keepUntilMs?: number; offline?: boolean } = {},
  ) {
    const { label = "main", offline = false, ...rest } = more;
    return this.keeper({ offline }).put({ name, label, mode, value: utf8(value), ...rest });
  }

  #write(effect: () => void): void {
    if (this.writesLeft === 0) throw new Crash();
    this.writesLeft -= 1;
    this.writes += 1;
    effect();
    if (this.writesLeft === 0) throw new Crash();
  }
}
