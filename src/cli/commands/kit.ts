import { resolve } from "node:path";
import { utf8, zero } from "../../../keys/bytes.js";
import { fingerprintOf } from "../../../keys/did.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { createFile } from "../../../keys/node/whole-file.js";
import { phraseOf } from "../../../keys/phrase.js";
import { AgentHome } from "../../agent/home.js";
import { systemPorts } from "../../client/ports.js";
import type { CommandContext, CommandResult } from "../context.js";
import { kitHtml } from "../kit/html.js";
import type { Kit } from "../kit/kit.js";
import { kitText } from "../kit/text.js";
import { type PhraseSource, readPhrase } from "../phrase-input.js";
import { assertPhraseOf } from "../phrase-match.js";
import { vaultPath } from "../places.js";
import { usageError } from "../usage.js";
import { VERSION } from "../version.js";
import { assertOutsideHome } from "../words-outside.js";

export interface KitOptions extends PhraseSource {
  readonly html?: string;
  readonly text?: string;
  readonly withWords?: true;
  readonly vault?: string;
}

/** A sheet to bring the agent back with. Needs no key; the words are on it only where that is asked for. */
export async function kit(context: CommandContext, options: KitOptions): Promise<CommandResult> {
  const { out, env } = context;
  const files = (
    [
      ["html", options.html],
      ["text", options.text],
    ] as const
  ).flatMap(([form, path]) => (path === undefined ? [] : [{ form, path: resolve(path) }]));
  if (options.withWords !== true && (options.phraseFile !== undefined || options.shareFile !== undefined))
    throw usageError("the words go on the sheet only with --with-words", "kit");
  if (options.withWords === true && files.length === 0)
    throw usageError("--with-words needs a file, --html or --text: stdout may be a pipe or a log", "kit");
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did, label } = home.config;
  const { handles = [], relays = [] } = home.identity.newest?.op ?? {};
  for (const { path } of files) {
    if (options.withWords === true) await assertOutsideHome(path, context.home);
    if ((await nodeDisk.read(path)) !== undefined) throw taken(path);
  }
  const words = options.withWords === true ? await wordsOf(context, options, home) : undefined;
  const sheet: Kit = {
    did,
    fingerprint: fingerprintOf(did),
    label,
    handles,
    relays,
    home: context.home,
    vault: vaultPath(options.vault, did, env),
    date: new Date(systemPorts.clock.nowMs()).toISOString().slice(0, 10),
    version: VERSION,
    ...(words === undefined ? {} : { words }),
  };
  for (const { form, path } of files) {
    const text = form === "html" ? kitHtml(sheet) : kitText(sheet);
    await createFile(path, utf8(text), 0o600).catch((error: unknown) => {
      throw isAntsError(error, "disk-exists") ? taken(path) : error;
    });
  }
  if (words !== undefined) out.warn("the words are in that file: print it, then delete it");
  const { words: _, ...facts } = sheet;
  await out.result(
    { ...facts, files: files.map(({ path }) => path), withWords: words !== undefined },
    files.length === 0 ? kitText(sheet).trimEnd().split("\n") : files.map(({ form, path }) => `${form}  ${path}`),
  );
  return undefined;
}

/** Words that rule this agent, and no others: a sheet with a wrong phrase is worse than none. */
async function wordsOf(context: CommandContext, options: KitOptions, home: AgentHome): Promise<string[]> {
  const { entropy } = await readPhrase(context, options);
  try {
    assertPhraseOf(entropy, home.identity);
    const { words, check } = phraseOf(entropy);
    return [...words.split(" "), check];
  } finally {
    zero(entropy);
  }
}

function taken(path: string): AntsError {
  return new AntsError("disk-exists", `cannot write the kit to ${path}: there is something already`, {
    hint: "name a new file",
    details: { path },
  });
}
