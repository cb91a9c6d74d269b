import { resolve } from "node:path";
import { utf8, zero } from "../../../keys/bytes.js";
import { generateSeed } from "../../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { type CreatedOperation, createIdentity } from "../../../keys/identity/create.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";
import { encodeMultikey } from "../../../keys/multikey.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { sealVault } from "../../../keys/node/vault.js";
import { writeVaultFile } from "../../../keys/node/vault-file.js";
import type { VaultSlotInput } from "../../../keys/node/vault-slot.js";
import { type GeneratedPhrase, generatePhrase, parsePhrase, phraseKeys } from "../../../keys/phrase.js";
import { systemRandom } from "../../../keys/ports.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { publishIdentity } from "../../client/identity-exchange.js";
import type { IdentityLog } from "../../client/identity-log.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { EXIT } from "../../protocol/errors.js";
import { MAX_LABEL_LENGTH } from "../../protocol/limits.js";
import type { CommandContext, CommandResult } from "../context.js";
import { describeSource, readPassphrase } from "../passphrase.js";
import { passphraseSlot } from "../passphrase-slot.js";
import { allowsEphemeral, isInside, namedVaultPath, vaultPath, vaultsFolder } from "../places.js";
import { giveWords, wordsPlace } from "../recovery-words.js";
import { askRelay } from "../relay-info.js";
import { relayUrl } from "../relay-url-option.js";
import { usageError } from "../usage.js";

export interface KeygenOptions {
  readonly relay: readonly string[];
  readonly faults: number;
  readonly label: string;
  readonly vault?: string;
  readonly phraseFile?: string;
  readonly allowEphemeral?: true;
}

/** Relays that are just being started get this long to answer. */
const RELAY_TIMEOUT_MS = 10_000;
/** How long a relay gets to take the genesis; later commands bring it along as well. */
const PUBLISH_TIMEOUT_MS = 10_000;
/** What survives the loss of one relay with a quorum left. */
const ADVISED_RELAYS = 3;

/**
 * Founds an identity. The order is that of what would hurt most to lose: the words are given away first, then the vault
 * is written, then the home that names the identity, then relays hear of it (docs/decisions/0003).
 */
export async function keygen(context: CommandContext, options: KeygenOptions): Promise<CommandResult> {
  const { out, home, signal } = context;
  const urls = relayUrls(options);
  const label = labelOf(options);
  await requireNoHome(home);
  await requireOutside(context, options);
  const allowEphemeral = options.allowEphemeral === true || allowsEphemeral(context.env);
  await assertDurablePlace(home, { allowEphemeral, what: "an agent's home" });
  await assertDurablePlace(namedVaultPath(options.vault, context.env) ?? vaultsFolder(context.env), { allowEphemeral });
  const place = await wordsPlace(options.phraseFile === undefined ? undefined : resolve(options.phraseFile));
  try {
    const relays = await Promise.all(urls.map((url) => addressOf(url, signal)));
    if (relays.length < ADVISED_RELAYS)
      out.warn(
        `with ${relays.length === 1 ? "one relay" : `${relays.length} relays`} the agent stops when one of them does: ` +
          `name ${ADVISED_RELAYS} or more, run by different people`,
      );
    const { passphrase, source } = await readPassphrase({
      purpose: "create",
      subject: "the new vault",
      env: context.env,
      signal,
      warn: (text) => out.warn(text),
    });
    keepMemoryOutOfCoreDumps();
    const phrase = generatePhrase();
    const made = make(phrase, relays, options.faults, passphraseSlot(passphrase, context.env));
    zero(passphrase);
    const { identity, vaultBytes } = made;
    const vaultFile = vaultPath(options.vault, identity.did, context.env);

    signal.throwIfAborted();
    await giveWords(place, phrase, signal);
    try {
      signal.throwIfAborted();
      await writeVaultFile(vaultFile, vaultBytes, { allowEphemeral });
    } catch (error) {
      // Without a vault there is no agent, and these words are nobody's.
      if (place.kind === "file") await nodeDisk.remove(place.path);
      throw error;
    }
    // From here on there is an agent: an interruption cuts short what relays are told, and nothing else.
    const config = { did: identity.did, label, founded: true };
    const founded = await AgentHome.create(nodeDisk, home, config, utf8(identity.line));
    out.note(`the vault opens with ${describeSource(source)}, or with the recovery words`);
    const told = await tellRelays(founded.identity, signal);
    for (const { url, refused } of told) if (refused !== undefined) out.warn(`${url} does not have it yet: ${refused}`);
    await out.result(
      {
        did: identity.did,
        home,
        vault: vaultFile,
        ...(place.kind === "file" ? { phraseFile: place.path } : {}),
        relays: told.map(({ url, stream, refused }) => ({ url, stream, has: refused === undefined })),
      },
      [
        identity.did,
        `  home   ${home}`,
        `  vault  ${vaultFile}`,
        ...(place.kind === "file" ? [`  words  ${place.path}`] : []),
        ...told.map(({ url }) => `  relay  ${url}`),
      ],
    );
    return signal.aborted ? EXIT.interrupted : undefined;
  } finally {
    if (place.kind === "terminal") place.terminal.close();
  }
}

/** The relays in their one spelling. */
function relayUrls({ relay, faults }: KeygenOptions): string[] {
  const urls = relay.map((url) => relayUrl(url, "keygen"));
  if (new Set(urls).size < urls.length) throw usageError("the same --relay is named twice", "keygen");
  if (relay.length < 3 * faults + 1) {
    throw usageError(`${faults} lying relays take ${3 * faults + 1} relays, ${relay.length} are named`, "keygen");
  }
  return urls;
}

/** A home is copied, backed up and read: neither the key nor the words may go along. */
async function requireOutside({ home, env }: CommandContext, { vault, phraseFile }: KeygenOptions): Promise<void> {
  const keyPlace = namedVaultPath(vault, env) ?? vaultsFolder(env);
  if (await isInside(keyPlace, home)) {
    throw new AntsError("vault-in-home", `refused to keep the key in ${keyPlace}: that is within the home ${home}`, {
      hint: "homes are copied and read: name a place outside with --vault, or another home with --home",
      details: { path: keyPlace, home },
    });
  }
  if (phraseFile !== undefined && (await isInside(phraseFile, home))) {
    throw new AntsError("phrase-file", `refused to write the recovery words into the home ${home}`, {
      hint: "homes are copied and read: name a file outside with --phrase-file",
      details: { path: resolve(phraseFile), home },
    });
  }
}

/** Found out before anybody is asked anything; AgentHome.create decides. */
async function requireNoHome(home: string): Promise<void> {
  if ((await nodeDisk.read(homeLayout(home).config)) === undefined) return;
  throw new AntsError("home-exists", `${home} is already the home of an agent`, {
    hint: "choose another folder with --home; an identity is never overwritten",
    details: { home },
  });
}

async function addressOf(url: string, signal: AbortSignal): Promise<RelayAddress> {
  try {
    const { stream } = await askRelay(url, { signal, timeoutMs: RELAY_TIMEOUT_MS, retry: true });
    return { url, stream };
  } catch (error) {
    if (!isAntsError(error, "relay-unreachable")) throw error;
    throw new AntsError(error.code, `${error.message} (tried for ${RELAY_TIMEOUT_MS / 1000} s)`, {
      hint: "nothing was made: run the same command again when the relay is up, or name others",
      cause: error,
      details: error.details,
    });
  }
}

/** Public, in every claim: nothing of this host is in it unless somebody says so. */
function labelOf({ label }: KeygenOptions): string {
  if (label !== "" && label.length <= MAX_LABEL_LENGTH && !/\p{Cc}/u.test(label)) return label;
  throw usageError(`--label: expected 1 to ${MAX_LABEL_LENGTH} characters on one line`, "keygen");
}

interface Made {
  readonly identity: CreatedOperation;
  readonly vaultBytes: Uint8Array;
}

/** All keys of a new agent, from birth to sealed vault within one turn: nothing of them is left in memory after it. */
function make(
  phrase: GeneratedPhrase,
  relays: readonly RelayAddress[],
  faults: number,
  passphrase: VaultSlotInput,
): Made {
  const { entropy } = parsePhrase(phrase.words);
  const { recoveryKey, escrow, backup } = phraseKeys(entropy);
  const recovery = recoveryKey(0);
  const signSeed = generateSeed();
  const agreeSecret = systemRandom.bytes(32);
  const stateKey = systemRandom.bytes(32);
  try {
    const identity = createIdentity({
      signSeeds: [signSeed],
      agree: x25519PublicKey(agreeSecret),
      recoveryKeys: [recovery.publicKey],
      escrow: escrow.publicKey,
      relays,
      faults,
      timeMs: systemPorts.clock.nowMs(),
    });
    const content = {
      did: identity.did,
      signSeed,
      agreeSecret,
      stateKey,
      earlier: [],
      backup: encodeMultikey(backup.publicKey, "x25519"),
      secrets: {},
    };
    const slots = [passphrase, { type: "phrase", entropy } as const];
    return { identity, vaultBytes: sealVault(content, { slots }) };
  } finally {
    zero(entropy, recovery.seed, escrow.secret, backup.secret, signSeed, agreeSecret, stateKey);
  }
}

interface Told extends RelayAddress {
  /** Why it does not have the genesis; absent where it has. */
  readonly refused?: string;
}

async function tellRelays(identity: IdentityLog, signal: AbortSignal): Promise<Told[]> {
  await using pool = new RelayPool(systemPorts);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PUBLISH_TIMEOUT_MS)]);
  return await Promise.all(
    identity.newest!.op.relays.map(async ({ url, stream }) => {
      try {
        const connection = pool.get(url);
        await connection.opened(limit);
        const refusal = await publishIdentity(connection, identity, limit);
        return { url, stream, ...(refusal === undefined ? {} : { refused: refusal.message }) };
      } catch (error) {
        const refused = isAntsError(error) ? error.message : `no answer within ${PUBLISH_TIMEOUT_MS / 1000} s`;
        return { url, stream, refused };
      }
    }),
  );
}
