import { zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { phraseKeys } from "../../keys/phrase.js";
import { recoveryPower } from "../agent/succession.js";
import type { IdentityLog } from "../client/identity-log.js";

/** What a phrase is to an identity. */
export type PhraseMatch =
  /** It rules: the era's commitment is to its one-time key number `key`. `finds`: the agent is found by it. */
  | { readonly status: "rules"; readonly key: number; readonly finds: boolean }
  /** It ruled an earlier era, until operation number `until` took over. */
  | { readonly status: "former"; readonly until: number }
  | { readonly status: "other" };

export function phraseMatch(entropy: Uint8Array, log: IdentityLog): PhraseMatch {
  const { newest } = log;
  const keys = phraseKeys(entropy);
  try {
    if (newest === undefined) return { status: "other" };
    const power = recoveryPower(newest, log, keys);
    if (power !== undefined) {
      const key = power.index;
      zero(power.key.seed, power.next.key.seed);
      return { status: "rules", key, finds: newest.op.escrow === encodeMultikey(keys.escrow.publicKey, "x25519") };
    }
    const openings = (log.state?.operations ?? []).filter(({ op }) => op.op === "genesis" || op.op === "rotate");
    const last = openings.findLastIndex((opening) => recoveryPower(opening, log, keys) !== undefined);
    return last < 0 ? { status: "other" } : { status: "former", until: openings[last + 1]?.op.n ?? newest.op.n };
  } finally {
    zero(keys.escrow.secret, keys.backup.secret, keys.vaultKey);
  }
}

/** Throws AntsError "phrase-other-agent" unless the phrase rules this identity. */
export function assertPhraseOf(entropy: Uint8Array, log: IdentityLog): void {
  const match = phraseMatch(entropy, log);
  if (match.status === "rules") return;
  const why =
    match.status === "former"
      ? `they ruled it until its operation number ${match.until}, a rotate, took another phrase`
      : "they are of another agent";
  throw new AntsError("phrase-other-agent", `the words are well formed, and do not rule ${log.did}: ${why}`, {
    details: { did: log.did, ...match },
  });
}
