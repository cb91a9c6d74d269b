import { hostname } from "node:os";
import { join } from "node:path";
import { utf8, zero } from "../../../keys/bytes.js";
import { generateSeed } from "../../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { type CreatedOperation, createIdentity } from "../../../keys/identity/create.js";
import { isRelayUrl } from "../../../keys/identity/relay-url.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";
import { keepMemoryOutOfCoreDumps } from "../../../keys/node/core-dump.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { assertDurablePlace } from "../../../keys/node/place.js";
import { sealVault } from "../../../keys/node/vault.js";
import { writeVaultFile } from "../../../keys/node/vault-file.js";
import { type GeneratedPhrase, generatePhrase, parsePhrase, phraseKeys } from "../../../keys/phrase.js";
import { systemRandom } from "../../../keys/ports.js";
import { x25519PublicKey } from "../../../keys/x25519.js";
import { AgentHome, homeLayout } from "../../agent/home.js";
import { publishIdentity } from "../../client/identity-exchange.js";
import type { IdentityLog } from "../../client/identity-log.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import type { CommandContext, CommandResult } from "../context.js";
import { describeSource, readPassphrase } from "../passphrase.js";
import { defaultVaultPath } from "../places.js";
import { giveWords, wordsPlace } from "../recovery-words.js";
import { askRelay } from "../relay-info.js";
import { usageError } from "../usage.js";

export interface KeygenOptions {
  readonly relay: readonly string[];
  readonly faults: number;
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
  checkRelays(options);
  await requireNoHome(home);
  const allowEphemeral = options.allowEphemeral === true;
  await assertDurablePlace(join(home, ".ants"), { allowEphemeral });
  if (options.vault !== undefined) await assertDurablePlace(options.vault, { allowEphemeral });
  const place = await wordsPlace(options.phraseFile);
  try {
    const relays = await Promise.all(options.relay.map((url) => addressOf(url, signal)));
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
    const made = make(phrase, relays, options.faults, passphrase);
    zero(passphrase);
    const { identity, vaultBytes } = made;
    const vaultPath = options.vault ?? defaultVaultPath(identity.did, context.env);

    await giveWords(place, phrase, signal);
    signal.throwIfAborted();
    await writeVaultFile(vaultPath, vaultBytes, { allowEphemeral });
    const config = { did: identity.did, label: label(), founded: true };
    const founded = await AgentHome.create(nodeDisk, home, config, utf8(identity.line));
    out.note(`the vault opens with ${describeSource(source)}, or with the recovery words`);
    const told = await tellRelays(founded.identity, signal);
    for (const { url, refused } of told) if (refused !== undefined) out.warn(`${url} does not have it yet: ${refused}`);
    await out.result(
      {
        did: identity.did,
        home,
        vault: vaultPath,
        ...(place.kind === "file" ? { phraseFile: place.path } : {}),
        relays: told.map(({ url, stream, refused }) => ({ url, stream, has: refused === undefined })),
      },
      [
        identity.did,
        `  home   ${home}`,
        `  vault  ${vaultPath}`,
        ...(place.kind === "file" ? [`  words  ${place.path}`] : []),
        ...told.map(({ url }) => `  relay  ${url}`),
      ],
    );
  } finally {
    if (place.kind === "terminal") place.terminal.close();
  }
  return undefined;
}

function checkRelays({ relay, faults }: KeygenOptions): void {
  const wrong = relay.find((url) => !isRelayUrl(url));
  if (wrong !== undefined) throw usageError(`--relay ${wrong}: expected ws://… or wss://…`, "keygen");
  if (new Set(relay.map((url) => new URL(url).href)).size < relay.length) {
    throw usageError("the same --relay is named twice", "keygen");
  }
  if (relay.length < 3 * faults + 1) {
    throw usageError(`${faults} lying relays take ${3 * faults + 1} relays, ${relay.length} are named`, "keygen");
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
  const { stream } = await askRelay(url, { signal, timeoutMs: RELAY_TIMEOUT_MS, retry: true });
  return { url, stream };
}

interface Made {
  readonly identity: CreatedOperation;
  readonly vaultBytes: Uint8Array;
}

/** All keys of a new agent, from birth to sealed vault within one turn: nothing of them is left in memory after it. */
function make(phrase: GeneratedPhrase, relays: readonly RelayAddress[], faults: number, passphrase: Uint8Array): Made {
  const { entropy } = parsePhrase(phrase.words);
  const { recoveryKey, escrow } = phraseKeys(entropy);
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
    const content = { did: identity.did, signSeed, agreeSecret, stateKey, secrets: {} };
    const slots = [{ type: "passphrase", passphrase } as const, { type: "phrase", entropy } as const];
    return { identity, vaultBytes: sealVault(content, { slots }) };
  } finally {
    zero(entropy, recovery.seed, escrow.secret, signSeed, agreeSecret, stateKey);
  }
}

/** What this agent's instances are called, for people who ask who holds the pen. */
function label(): string {
  return hostname().slice(0, 64) || "agent";
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
        signal.throwIfAborted();
        const refused = isAntsError(error) ? error.message : `no answer within ${PUBLISH_TIMEOUT_MS / 1000} s`;
        return { url, stream, refused };
      }
    }),
  );
}
