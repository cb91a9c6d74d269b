import { zero } from "../../keys/bytes.js";
import { generateSeed, publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { isAntsError } from "../../keys/errors.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { nodeDisk } from "../../keys/node/disk.js";
import type { VaultContent } from "../../keys/node/vault-content.js";
import type { PhraseKeys } from "../../keys/phrase.js";
import type { DormantMark } from "../agent/dormant.js";
import { type Gap, type StaleSecret, summarizeGap, type TimedHead, type VaultKeyStanding } from "../agent/gap.js";
import type { AgentHome } from "../agent/home.js";
import { escrowedKeys, requirePower } from "../agent/recovery.js";
import { obstacleOf } from "../agent/secret-choice.js";
import { readFromChain, stateKeysOf } from "../agent/secret-reading.js";
import { SecretLedger } from "../agent/secret-records.js";
import { StepReader } from "../agent/step-reader.js";
import type { KnownStep } from "../agent/step-records.js";
import { requireOpen } from "../agent/succession.js";
import { ChainStore } from "../client/chain-store.js";
import { systemPorts } from "../client/ports.js";
import { RelayPool } from "../client/relay-pool.js";
import type { RelayReport } from "../client/survey.js";
import { parseEvent } from "../protocol/event.js";
import type { CommandContext } from "./context.js";
import { surveyAgent } from "./owner-survey.js";

export interface GapSurvey {
  /** Its lock is held by the caller. */
  readonly home: AgentHome;
  readonly mark: DormantMark;
  /** Whichever there is: they say who asks, and open what is private. */
  readonly vault?: VaultContent;
  readonly phrase?: PhraseKeys;
  /** Asks no relay. */
  readonly offline?: boolean;
  /** For each relay. */
  readonly timeoutMs: number;
}

/**
 * Reads what the relays of every operation have of a sleeping home's agent, keeps it in the home, and says what it
 * comes to. Needs no pen and claims nothing. Throws disk errors, "chain-damaged", the signal's reason; relays that
 * fail are in the gap.
 */
export async function surveyGap(context: CommandContext, survey: GapSurvey): Promise<Gap> {
  const { home, mark, vault, phrase } = survey;
  const { identity, layout, config } = home;
  const chain = await ChainStore.open({ disk: nodeDisk, folder: layout.chain, did: config.did, keys: identity });
  try {
    const reports = survey.offline === true ? undefined : await ask(context, survey, chain);
    const stateKeys = await privateKeys(chain, survey);
    const had = mark.head;
    const commonSeq = lastOnChain(chain, had);
    const { newest } = identity;
    return summarizeGap({
      had,
      commonSeq,
      has: await timedHead(chain),
      turns: claimsAfter(chain, commonSeq),
      reports,
      set: newest === undefined ? undefined : relaySetOf(newest),
      steps: stateKeys.length === 0 && phrase === undefined ? undefined : await stepsOf(chain, stateKeys),
      staleSecrets: vault === undefined ? undefined : await staleSecrets(chain, vault),
      vaultKey: vault === undefined ? "unknown" : standingOf(home, vault),
      remembered: vault?.highWater,
    });
  } finally {
    await chain.close();
  }
}

async function ask(context: CommandContext, survey: GapSurvey, chain: ChainStore): Promise<RelayReport[]> {
  const { home, timeoutMs, vault, phrase } = survey;
  await using pool = new RelayPool(systemPorts);
  // One that nobody knows still reads what is public.
  const stranger = generateSeed();
  const seed = () => vault?.signSeed ?? (phrase === undefined ? undefined : ownersSeed(home, phrase)) ?? stranger;
  return await surveyAgent(context, { home, chain, pool, relays: [], timeoutMs, seed, quiet: true });
}

/** The recovery key that rules now; undefined where these words rule no more. */
function ownersSeed({ identity }: AgentHome, phrase: PhraseKeys): Uint8Array | undefined {
  try {
    const { key, next } = requirePower(identity, requireOpen(identity), phrase);
    zero(next.key.seed);
    return key.seed;
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}

/** State keys of every era that vault and words give. */
async function privateKeys(chain: ChainStore, { home, vault, phrase }: GapSurvey): Promise<Uint8Array[]> {
  const ofVault = vault === undefined ? [] : [vault.stateKey, ...vault.earlier.map(({ stateKey }) => stateKey)];
  const ofWords = phrase === undefined ? [] : await escrowedKeys(home.config.did, chain, phrase, chain.head);
  return [...ofVault, ...ofWords.map(({ stateKey }) => stateKey)];
}

async function stepsOf(chain: ChainStore, stateKeys: readonly Uint8Array[]): Promise<readonly KnownStep[] | undefined> {
  const ledger = await new StepReader(chain, stateKeys).survey();
  return ledger.unreadable === undefined ? ledger.all() : undefined;
}

async function timedHead(chain: ChainStore): Promise<TimedHead | undefined> {
  const { head } = chain;
  if (head === undefined) return undefined;
  const { time } = parseEvent(await chain.line(head)).event;
  return { epoch: head.epoch, seq: head.seq, id: head.id, timeMs: time };
}

/** The seq of the last event on the way to `head` that is on the chain now. */
function lastOnChain({ tree }: ChainStore, head: TimedHead | undefined): number {
  let at = head === undefined ? undefined : tree.find(head.id, head.seq);
  while (at !== undefined && !at.onChain) at = tree.before(at);
  return at?.seq ?? -1;
}

function claimsAfter({ tree }: ChainStore, seq: number): number {
  let claims = 0;
  for (let at = seq + 1; at <= (tree.head?.seq ?? -1); at++) if (tree.chainAt(at)?.claim === true) claims += 1;
  return claims;
}

async function staleSecrets(chain: ChainStore, vault: VaultContent): Promise<StaleSecret[]> {
  const ledger = new SecretLedger();
  await readFromChain(ledger, chain, stateKeysOf(vault));
  const nowMs = systemPorts.clock.nowMs();
  return Object.entries(vault.secrets).flatMap(([name, { credentials }]) =>
    credentials.flatMap((credential): StaleSecret[] => {
      const version = credential.versions[0]!;
      const why = obstacleOf(ledger, name, credential, version, nowMs);
      const { label } = credential;
      return why === "stale" || why === "revoked" ? [{ name, label, version: version.number, why }] : [];
    }),
  );
}

function standingOf({ identity }: AgentHome, { signSeed }: VaultContent): VaultKeyStanding {
  const key = encodeMultikey(publicKeyFromSeed(signSeed));
  return identity.standingOf(key)?.live === true ? "live" : "replaced";
}
