/** What the drill's agent publishes once the receiver was called for a number: body.n counts from 1. */
export const COUNT_KIND = "drill.count";

/** What the counting agent is told, as JSON in its only argument: paths and addresses, nothing secret. */
export interface CountingOptions {
  readonly home: string;
  readonly vault: string;
  readonly passphraseFile: string;
  /** http://… of the receiver. */
  readonly receiver: string;
  /** Who calls, in the receiver's notes. */
  readonly host: string;
  /** Between two numbers. */
  readonly everyMs: number;
  /** How long it tries for the pen. */
  readonly timeoutMs: number;
  readonly takeover?: boolean;
  readonly wait?: boolean;
}

/** What it says, a JSON line each. */
export type CounterSaid =
  | { readonly at: "open"; readonly epoch: number; readonly next: number; readonly isUnknown: boolean }
  /** The number is committed: a quorum of relays has it. */
  | { readonly at: "counted"; readonly n: number; readonly id: string }
  | { readonly at: "lost"; readonly reason: string }
  /** It was told to stop, and has given everything back. */
  | { readonly at: "closed" }
  | { readonly at: "ended"; readonly code: string; readonly message: string };
