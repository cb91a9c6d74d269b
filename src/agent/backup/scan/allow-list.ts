import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8 } from "../../../../keys/bytes.js";
import { AntsError } from "../../../../keys/errors.js";
import { LABEL } from "../../../../keys/tags.js";
import type { Finding } from "./finding.js";

/** One line: which finding is no secret, where, and by which rule it was found. */
export interface Allowance {
  /** A path of the home, or a pattern: `*` within a folder's name, `**` across folders. */
  readonly glob: string;
  readonly rule: string;
  /** 12 hex digits, {@link Finding.fingerprint}. */
  readonly fingerprint: string;
}

/** Where a home keeps it, relative to the home. */
export const ALLOW_LIST_PATH = ".ants/backup-allow";

const LINE = /^(?<glob>\S(?:.*\S)?) : (?<rule>[a-z][a-z0-9-]*) : (?<fingerprint>[0-9a-f]{12})$/;
const NOTE =
  "# Findings of the secret scan that are no secrets: path : rule : fingerprint (ants backup scan --allow).\n";

/**
 * The key of the fingerprints, from a state key. Each era of an agent has its own, so what was allowed before a rotation
 * counts with the keys of earlier eras.
 */
export function fingerprintKey(stateKey: Uint8Array): Uint8Array {
  return hmac(sha256, stateKey, utf8(LABEL.scanFingerprint));
}

/** What the owner looked at and found harmless: exact values in named places, never a rule as a whole. */
export class AllowList {
  readonly allowances: readonly Allowance[];

  constructor(allowances: readonly Allowance[]) {
    this.allowances = allowances;
  }

  /**
   * `text`: lines "path glob : rule : fingerprint"; empty ones and those from "#" on say nothing. Throws
   * "backup-allow-line" (details: line) at the first that is none: a line that is misread might let a secret through.
   */
  static parse(text: string): AllowList {
    const allowances: Allowance[] = [];
    for (const [index, line] of text.split(/\r?\n/).entries()) {
      if (line.trim() === "" || line.startsWith("#")) continue;
      const { glob, rule, fingerprint } = LINE.exec(line)?.groups ?? {};
      if (glob === undefined || rule === undefined || fingerprint === undefined) {
        throw new AntsError("backup-allow-line", `line ${index + 1} of ${ALLOW_LIST_PATH} cannot be read`, {
          hint: `correct or remove it: path : rule : 12 hex digits, as ants backup scan --allow writes them`,
          details: { line: index + 1 },
        });
      }
      allowances.push({ glob, rule, fingerprint });
    }
    return new AllowList(allowances);
  }

  /** The file's text. */
  format(): string {
    return NOTE + this.allowances.map(({ glob, rule, fingerprint }) => `${glob} : ${rule} : ${fingerprint}\n`).join("");
  }

  /** This list and one more finding, in the file that it was found in. */
  with(finding: Finding, key: Uint8Array): AllowList {
    const more = { glob: finding.path, rule: finding.rule, fingerprint: finding.fingerprint(key) };
    return new AllowList([...this.allowances, more]);
  }

  /** Is it on the list, by the key of any era? */
  allows(finding: Finding, keys: readonly Uint8Array[]): boolean {
    const here = this.allowances.filter(({ glob, rule }) => rule === finding.rule && matches(glob, finding.path));
    return here.length > 0 && keys.some((key) => here.some((line) => line.fingerprint === finding.fingerprint(key)));
  }
}

function matches(glob: string, path: string): boolean {
  const pattern = glob
    .split(/(\*\*|\*)/)
    .map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")))
    .join("");
  return new RegExp(`^${pattern}$`, "u").test(path);
}
