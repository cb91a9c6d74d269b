/** Exit codes of the programs. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partlyDone: 3,
  refusedForSafety: 4,
  noVault: 10,
  wrongPassphrase: 11,
  lockedByAnother: 12,
  unreachable: 69,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ErrorRow {
  readonly meaning: string;
  readonly wayOut: string;
  /** True when the very same attempt may succeed later, with nothing changed by the caller. */
  readonly retryable: boolean;
  readonly exit: ExitCode;
}

/** An error that the same attempt meets again. */
export function fatal(meaning: string, wayOut: string, exit: ExitCode = EXIT.failed): ErrorRow {
  return { meaning, wayOut, retryable: false, exit };
}

/** An error that may have passed when the same attempt is made later. */
export function passing(meaning: string, wayOut: string, exit: ExitCode = EXIT.failed): ErrorRow {
  return { meaning, wayOut, retryable: true, exit };
}
