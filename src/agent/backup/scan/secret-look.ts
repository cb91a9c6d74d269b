import { createHash } from "node:crypto";
import { AntsError } from "../../../../keys/errors.js";
import type { VaultContent } from "../../../../keys/node/vault-content.js";
import type { Disk } from "../../../../keys/ports.js";
import { OVERLAP_BYTES } from "../home-files.js";
import { ALLOW_LIST_PATH, AllowList, fingerprintKey } from "./allow-list.js";
import { Finding, masked } from "./finding.js";
import { hasKnownMagic } from "./raw-bytes.js";
import { scanFile } from "./scan-file.js";

/** Findings that an error lists: whoever has more has them in one place. */
const MAX_LISTED = 20;
/** Parts that are remembered as clean, by hash: a daemon does not search the same bytes every hour. */
const MAX_REMEMBERED = 100_000;

interface Part {
  readonly path: string;
  readonly tail: Uint8Array;
  readonly isDense: boolean;
  /** Lines before the tail. */
  readonly lines: number;
}

/**
 * Looks at the files of a home while they are read for an archive, and refuses at the end: whoever has secrets in five
 * places wants to hear of all five. One for each run.
 */
export class SecretLook {
  readonly #allowed: AllowList;
  readonly #keys: readonly Uint8Array[];
  readonly #clean: Set<string>;
  readonly #passphraseFiles: ReadonlySet<string>;
  #found = new Map<string, Finding>();
  #part: Part | undefined;

  /**
   * `keys`: of this era and of earlier ones; without any, nothing is allowed. `clean`: what earlier looks found clean;
   * this one adds to it. `passphraseFiles`: paths within the home that are known to hold the vault's passphrase, which need
   * not look like one.
   */
  constructor(
    allowed: AllowList,
    keys: readonly Uint8Array[],
    clean: Set<string> = new Set(),
    passphraseFiles: ReadonlySet<string> = new Set(),
  ) {
    this.#passphraseFiles = passphraseFiles;
    this.#allowed = allowed;
    this.#keys = keys;
    this.#clean = clean;
  }

  /** For a home and its open vault. Throws "backup-allow-line", disk errors. */
  static async of(
    disk: Disk,
    home: string,
    vault: Pick<VaultContent, "stateKey" | "earlier">,
    clean?: Set<string>,
    passphraseFiles?: ReadonlySet<string>,
  ): Promise<SecretLook> {
    const keys = [vault, ...vault.earlier].map(({ stateKey }) => fingerprintKey(stateKey));
    return new SecretLook(await readAllowList(disk, home), keys, clean, passphraseFiles);
  }

  /** Takes a file, or the next part of one, which begins with the end of the part before. */
  readonly look = (path: string, bytes: Uint8Array): void => {
    const before = this.#goesOn(path, bytes);
    // The lines that the part before ended with are looked at again, whole: what a border cut in two is one then.
    if (before !== undefined) this.#forget(path, before.lines + 1);
    const isDense = before?.isDense ?? hasKnownMagic(bytes);
    this.#part = {
      path,
      isDense,
      tail: bytes.slice(-OVERLAP_BYTES),
      lines: (before?.lines ?? 0) + linesIn(bytes.subarray(0, -OVERLAP_BYTES)),
    };
    const hash = createHash("sha256").update(`${path}\n${isDense}\n`).update(bytes).digest("base64");
    const isPassphrase = this.#passphraseFiles.has(path);
    if (!isPassphrase && this.#clean.has(hash)) return;
    const read = path === ALLOW_LIST_PATH ? remarksOf(bytes) : bytes;
    const findings = isPassphrase
      ? [passphraseIn(path, bytes)]
      : scanFile(path, read, { isDense, linesBefore: before?.lines ?? 0 });
    const refused = findings.filter((finding) => !this.#allowed.allows(finding, this.#keys));
    for (const finding of refused) this.#found.set(JSON.stringify(finding), finding);
    if (refused.length === 0 && !isPassphrase && this.#clean.size < MAX_REMEMBERED) this.#clean.add(hash);
  };

  /** What was found since the last call and is not allowed. */
  readonly take = (): Finding[] => {
    const found = [...this.#found.values()];
    this.#found = new Map();
    this.#part = undefined;
    return found;
  };

  /** Throws "backup-secret-found" (details: findings, count) where something was found that is not allowed. */
  readonly refuse = (): void => {
    const found = this.take();
    if (found.length === 0) return;
    const [first] = found;
    const isPassphrase = found.some(({ rule }) => rule === PASSPHRASE_RULE);
    const move = isPassphrase ? "move the vault's passphrase out of the home, and anything else" : "move it";
    const rest = found.length === 1 ? "" : `, and ${found.length - 1} more`;
    throw new AntsError(
      "backup-secret-found",
      `this looks like a secret: ${findingText(first!)}${rest}; nothing was stored`,
      {
        hint: `ants backup scan shows every one: ${move} into the vault (ants secret set NAME), or say that it is none (ants backup scan --allow PATH:LINE)`,
        details: { count: found.length, findings: found.slice(0, MAX_LISTED).map((finding) => ({ ...finding })) },
      },
    );
  };

  #forget(path: string, afterLine: number): void {
    for (const [id, finding] of this.#found)
      if (finding.path === path && finding.line > afterLine) this.#found.delete(id);
  }

  #goesOn(path: string, bytes: Uint8Array): Part | undefined {
    const part = this.#part;
    if (part?.path !== path || part.tail.length === 0) return undefined;
    return Buffer.compare(bytes.subarray(0, part.tail.length), part.tail) === 0 ? part : undefined;
  }
}

/** What a home's owner allowed; nothing where there is no list. Throws "backup-allow-line", disk errors. */
export async function readAllowList(disk: Disk, home: string): Promise<AllowList> {
  const bytes = await disk.read(`${home}/${ALLOW_LIST_PATH}`);
  return AllowList.parse(bytes === undefined ? "" : new TextDecoder().decode(bytes));
}

/** One line: where, by which rule, and what may be shown. */
export function findingText({ path, line, rule, excerpt }: Finding): string {
  return `${path}${line === 0 ? "" : `:${line}`}  ${rule}  ${excerpt}`;
}

const PASSPHRASE_RULE = "passphrase-file";

/** Whatever stands in it: with the vault's file it opens everything. */
function passphraseIn(path: string, bytes: Uint8Array): Finding {
  const excerpt = masked("the vault's passphrase: ", bytes.length, "bytes");
  return new Finding({ path, line: 0, rule: PASSPHRASE_RULE, excerpt }, bytes);
}

/** The allow-list without its lines: they name rules and hold fingerprints. */
function remarksOf(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(new TextDecoder().decode(bytes).replace(/^[^#\r\n].*$/gm, ""));
}

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines++;
  return lines;
}
