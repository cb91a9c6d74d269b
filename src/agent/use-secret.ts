import { zero } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { credentialOf } from "./secret-changes.js";
import { type ChoiceOptions, choose, exhausted, type PassedOver, type UsableVersion } from "./secret-choice.js";
import { isOwed, type SecretFile, type SecretKeeper } from "./secret-keeper.js";
import type { SecretLedger } from "./secret-records.js";

/** Which of a secret's credentials is in use. */
export interface UsedCredential {
  readonly name: string;
  readonly label: string;
  readonly version: number;
  readonly expiresMs?: number;
}

/** A credential cannot be used, and the next one is: somebody has to put in a new one. */
export interface SecretAlarm extends UsedCredential {
  /** The last two are found before anything is tried, and are not recorded in the chain, which said so itself. */
  readonly alarm: "credential-refused" | "secret-expired" | "secret-stale";
  /** What the service said, as the caller put it; or what is known of the version. */
  readonly reason: string;
  /** The next one that is tried, where one is left. */
  readonly next?: string;
}

export type UseSecretOptions = Omit<ChoiceOptions, "version">;

/** What {@link useSecret} works with; the ledger is what the chain says by now. */
export interface SecretUse {
  readonly file: SecretFile;
  readonly keeper: SecretKeeper;
  readonly ledger: () => Promise<SecretLedger>;
  readonly clock: Clock;
  readonly alarm: (alarm: SecretAlarm) => void;
}

/**
 * What to throw from the work of `useSecret` when a service did not take the credential (its key was revoked, the
 * account was banned): the next one is tried. Any other error ends the work as it is. Don't put the secret into it.
 */
export function credentialRefused(reason: string, options: { readonly cause?: unknown } = {}): AntsError {
  return new AntsError("credential-refused", reason, {
    hint: "ants secret rotate puts in a new one",
    ...options,
  });
}

/**
 * Runs `work` with the value of a secret: with its preferred credential, and after a {@link credentialRefused} with the
 * next one. Each refusal is noted in the vault and raises an alarm before the next one is tried. The value is a copy
 * that is overwritten when `work` is done; so are, as far as the engine lets us, all others.
 *
 * Throws what {@link choose} throws, "credentials-exhausted" (its cause is the last refusal), and what `work` throws.
 */
export async function useSecret<T>(
  use: SecretUse,
  name: string,
  work: (value: Uint8Array, credential: UsedCredential) => Promise<T> | T,
  options: UseSecretOptions = {},
): Promise<T> {
  const { file, keeper, clock } = use;
  // What another process put in since.
  await file.refresh();
  const ledger = await use.ledger();
  const { usable, passedOver } = choose(file.secrets, ledger, name, { ...options, nowMs: clock.nowMs() });
  for (const one of passedOver) tell(use, name, one, usable[0]!.label);
  // What a run that could not reach the relays put in is told to them before it is used.
  if (isOwed(file.secrets, ledger, clock.nowMs())) await keeper.settle().catch(() => {});
  for (const [i, one] of usable.entries()) {
    const value = new Uint8Array(one.version.value);
    try {
      const result = await work(value, usedOf(one));
      if (credentialOf(file.secrets, one)?.refused?.version === one.version.number) await keeper.accepted(one);
      return result;
    } catch (error) {
      if (!isAntsError(error, "credential-refused")) throw error;
      await keeper.refused(one, one.version.number);
      const next = usable[i + 1]?.label;
      const used = usedOf(one);
      use.alarm({
        ...used,
        alarm: "credential-refused",
        reason: error.message,
        ...(next === undefined ? {} : { next }),
      });
      // The chain hears of it as soon as it can be reached; the work does not wait for more than the attempt.
      await keeper.settle().catch(() => {});
      if (next === undefined) {
        const labels = usable.map(({ label }) => label);
        const { message, hint, details } = exhausted(name, labels);
        throw new AntsError("credentials-exhausted", message, {
          cause: error,
          details,
          ...(hint === undefined ? {} : { hint }),
        });
      }
    } finally {
      zero(value);
    }
  }
  throw new AntsError("credentials-exhausted", `no credential of ${name} is left`);
}

function tell(use: SecretUse, name: string, { label, version, why }: PassedOver, next: string): void {
  // Its alarm was raised when it was refused.
  if (why === "refused") return;
  const alarm = why === "expired" ? "secret-expired" : "secret-stale";
  use.alarm({ name, label, version, alarm, reason: `version ${version} is ${why}`, next });
}

function usedOf({ name, label, version }: UsableVersion): UsedCredential {
  const { number, expiresMs } = version;
  return { name, label, version: number, ...(expiresMs === undefined ? {} : { expiresMs }) };
}
