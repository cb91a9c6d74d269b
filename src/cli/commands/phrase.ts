import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fromUtf8, utf8, zero } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { createFile } from "../../../keys/node/whole-file.js";
import { phraseOf } from "../../../keys/phrase.js";
import { repairPhrase } from "../../../keys/phrase-repair.js";
import type { Share } from "../../../keys/share-text.js";
import { assertSharePolicy, splitEntropy } from "../../../keys/shares.js";
import { AgentHome } from "../../agent/home.js";
import type { IdentityLog } from "../../client/identity-log.js";
import type { CommandContext, CommandResult } from "../context.js";
import { identityAt } from "../identity-at.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { assertPhraseOf, phraseMatch } from "../phrase-match.js";
import { repairLines, repairPlaces } from "../phrase-repair-text.js";
import { giveWords, wordsPlace } from "../recovery-words.js";
import { readSecretFile } from "../secret-file.js";
import { usageError } from "../usage.js";
import { assertOutsideHome } from "../words-outside.js";

export interface PhraseVerifyOptions extends PhraseSource {
  readonly relay?: readonly string[];
  readonly did?: string;
  readonly showCandidates?: true;
}

/** Says whether words are well formed, and whether they rule the agent of this home, or the one that is named. */
export async function phraseVerify(context: CommandContext, options: PhraseVerifyOptions): Promise<CommandResult> {
  const { out } = context;
  const log = await agentInQuestion(context, options);
  const { entropy, hasCheck } = await readOrExplain(context, options);
  try {
    const match = log === undefined ? undefined : phraseMatch(entropy, log);
    const shares = (options.shareFile ?? []).length > 0;
    if (!hasCheck)
      out.warn("without the check word one wrong word in 256 goes unnoticed: write it down with the others");
    if (log !== undefined) assertPhraseOf(entropy, log);
    await out.result(
      { wellFormed: true, checkWord: hasCheck, ...(log === undefined ? {} : { did: log.did, ...match }) },
      [
        `the ${shares ? "shares" : "words"} are well formed${hasCheck && !shares ? ", and their check word fits" : ""}`,
        ...(log === undefined ? ["there is no agent here to compare them with: --home, or --relay and --did"] : []),
        ...(match?.status === "rules" ? [`they rule ${log!.did} (recovery key ${match.key})`] : []),
        ...(match?.status === "rules" && !match.finds ? ["but relays do not find it by them: name its DID"] : []),
      ],
    );
  } finally {
    zero(entropy);
  }
  return undefined;
}

async function agentInQuestion(
  { home, signal }: CommandContext,
  { relay = [], did }: PhraseVerifyOptions,
): Promise<IdentityLog | undefined> {
  if (relay.length > 0 !== (did !== undefined))
    throw usageError("--relay and --did go together: which agent, and where its identity is kept", "phrase verify");
  if (did !== undefined) return identityAt(relay, did, signal);
  try {
    return (await AgentHome.open(nodeDisk, home)).identity;
  } catch (error) {
    if (isAntsError(error, "home-missing")) return undefined;
    throw error;
  }
}

/** Where words of a file do not fit, says where to look before it throws. */
async function readOrExplain(context: CommandContext, options: PhraseVerifyOptions) {
  const { out } = context;
  try {
    return await readPhrase(context, options);
  } catch (error) {
    if (
      options.phraseFile === undefined ||
      !isAntsError(error) ||
      !/^phrase-(words|check-word|checksum)$/.test(error.code)
    )
      throw error;
    const bytes = await readSecretFile(options.phraseFile);
    const repairs = repairPhrase(fromUtf8(bytes));
    zero(bytes);
    // Whoever has the other words needs only these: they are for a person, or for whoever asks for them.
    const shown = options.showCandidates === true || (out.terminal && !out.json);
    const look = shown ? repairLines(repairs) : repairPlaces(repairs);
    await out.result({ wellFormed: false, look, ...(shown ? { candidates: repairs } : {}) }, look);
    throw new AntsError(error.code, error.message, {
      hint:
        repairs.length === 0
          ? "no single slip explains it: compare all words with what you wrote down"
          : shown
            ? "compare these places with what you wrote down"
            : `ants phrase verify --phrase-file ${options.phraseFile} --show-candidates`,
      details: error.details,
    });
  }
}

export interface PhraseSplitOptions extends PhraseSource {
  readonly shares: number;
  readonly threshold: number;
  readonly out: string;
}

/** Writes k-of-n shares of the phrase, a file each. */
export async function phraseSplit(context: CommandContext, options: PhraseSplitOptions): Promise<CommandResult> {
  const { out, home } = context;
  assertSharePolicy(options);
  const folder = resolve(options.out);
  await assertOutsideHome(folder, home);
  const paths = Array.from({ length: options.shares }, (_, i) =>
    join(folder, `share-${i + 1}-of-${options.shares}.txt`),
  );
  for (const path of paths) if ((await nodeDisk.read(path)) !== undefined) throw taken(path);
  const { entropy, hasCheck } = await readPhrase(context, options);
  let shares: Share[] = [];
  try {
    if (!hasCheck) out.warn("without its check word nobody can be sure that these are the right words");
    shares = await splitEntropy(entropy, options);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeAll(shares, paths);
  } finally {
    zero(entropy, ...shares.map(({ value }) => value));
  }
  const set = setName(shares[0]!);
  await out.result({ set, threshold: options.threshold, shares: paths.map((path, i) => ({ index: i + 1, path })) }, [
    `set ${set}: any ${options.threshold} of these ${options.shares} bring the phrase back, fewer say nothing about it`,
    ...paths.map((path, i) => `  share ${i + 1}  ${path}`),
    "take each to another place, and delete it here; try the way back first: ants phrase verify --share-file …",
  ]);
  return undefined;
}

/** All of them or none. */
async function writeAll(shares: readonly Share[], paths: readonly string[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const [i, share] of shares.entries()) {
      await createFile(paths[i]!, utf8(shareText(share)), 0o600);
      written.push(paths[i]!);
    }
  } catch (error) {
    for (const path of written) await nodeDisk.remove(path);
    throw isAntsError(error, "disk-exists") ? taken(paths[written.length]!) : error;
  }
}

const WORDS_A_LINE = 6;

function shareText(share: Share): string {
  const { index, shares, threshold } = share;
  const words = share.words.split(" ");
  const lines = [
    `# Share ${index} of ${shares} of an agent's recovery phrase, set ${setName(share)}.`,
    `# Any ${threshold} of them bring it back: ants phrase join, ants recover --share-file`,
  ];
  for (let i = 0; i < words.length; i += WORDS_A_LINE) {
    lines.push(`${String(i + 1).padStart(2)} ${words.slice(i, i + WORDS_A_LINE).join(" ")}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Seven hexadecimal digits: shares of one set also begin with the same three words. */
function setName({ set }: Share): string {
  return set.toString(16).padStart(7, "0");
}

export interface PhraseJoinOptions {
  readonly phraseFile?: string;
}

/** Puts the phrase together from shares, and gives it to a person or a new file. */
export async function phraseJoin(
  context: CommandContext,
  shareFile: readonly string[],
  options: PhraseJoinOptions,
): Promise<CommandResult> {
  const { out, home, signal } = context;
  const file = options.phraseFile === undefined ? undefined : resolve(options.phraseFile);
  if (file !== undefined) await assertOutsideHome(file, home);
  const place = await wordsPlace(file);
  try {
    const { entropy } = await readPhrase(context, { shareFile });
    try {
      await giveWords(place, phraseOf(entropy), signal);
    } finally {
      zero(entropy);
    }
    await out.result({ joined: true, ...(place.kind === "file" ? { phraseFile: place.path } : {}) }, [
      place.kind === "file" ? `the 24 words and their check word are in ${place.path}` : "these were the words",
    ]);
  } finally {
    if (place.kind === "terminal") place.terminal.close();
  }
  return undefined;
}

function taken(path: string): AntsError {
  return new AntsError("phrase-file", `cannot write a share to ${path}: there is something already`, {
    hint: "name another folder with --out; a share is never overwritten",
    details: { path },
  });
}
