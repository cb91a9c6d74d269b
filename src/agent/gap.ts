import type { AntsError } from "../../keys/errors.js";
import type { RelaySet } from "../../keys/identity/relay-set.js";
import { hasQuorum, relayKey } from "../client/quorum.js";
import type { RelayReport } from "../client/survey.js";
import type { ChainHead } from "../protocol/event.js";
import type { KnownStep } from "./step-records.js";

/** An event of the chain, with its author's clock. */
export interface TimedHead extends ChainHead {
  readonly timeMs: number;
}

/** A secret of the vault that is not to be used: the chain names a newer version, or says that this one was revoked. */
export interface StaleSecret {
  readonly name: string;
  readonly label: string;
  readonly version: number;
  readonly why: "stale" | "revoked";
}

/** How the vault's sign key stands by the newest identity that was read. `unknown`: there was no vault to look at. */
export type VaultKeyStanding = "live" | "replaced" | "unknown";

/** What {@link summarizeGap} is made of. */
export interface GapFacts {
  /** The end of the chain that the copy had; undefined where it had no event. */
  readonly had: TimedHead | undefined;
  /** The seq of the last event of the copy's chain that is on the chain still; -1 for none. */
  readonly commonSeq: number;
  /** The end of the chain as it is now. */
  readonly has: TimedHead | undefined;
  /** Claims on the chain after that: turns of other runs. */
  readonly turns: number;
  /** What each relay that was asked came to; undefined where nobody was asked. */
  readonly reports: readonly RelayReport[] | undefined;
  /** The relays that the newest identity operation names. */
  readonly set: RelaySet | undefined;
  /** Undefined where nothing here opens the agent's private events. */
  readonly steps: readonly KnownStep[] | undefined;
  /** Undefined where there was no vault to look at. */
  readonly staleSecrets: readonly StaleSecret[] | undefined;
  readonly vaultKey: VaultKeyStanding;
  /** The last committed event that the vault remembers. */
  readonly remembered: ChainHead | undefined;
}

/** What a copy of an agent lacked, and what is known of it by now. */
export interface Gap {
  /** `unknown`: no relay was asked. `partly`: too few to know of everything that was acknowledged. */
  readonly known: "whole" | "partly" | "unknown";
  /** Events of the agent that were fetched from the relays. */
  readonly events: number;
  /** From the copy's last event to the newest one, by the author's clock; never negative. */
  readonly behindMs: number;
  readonly from: TimedHead | undefined;
  readonly to: TimedHead | undefined;
  readonly turns: number;
  /** The chain went on from before the copy's last event: what the copy had beyond that counts no more. */
  readonly leftTheChain: boolean;
  readonly read: readonly string[];
  readonly unreachable: readonly { readonly url: string; readonly code: string; readonly why: string }[];
  /** Events that the vault remembers and nobody had. */
  readonly missing: number;
  readonly unknownSteps: readonly KnownStep[] | undefined;
  readonly staleSecrets: readonly StaleSecret[] | undefined;
  readonly vaultKey: VaultKeyStanding;
}

/** Compares what a copy had with what was read from the relays. Pure. */
export function summarizeGap(facts: GapFacts): Gap {
  const { had, has, reports, set, remembered } = facts;
  const read = (reports ?? []).flatMap((report) => (report.state === "read" ? [report] : []));
  const failed = (reports ?? []).flatMap((report) => (report.state === "failed" ? [report] : []));
  const answered = new Set(read.map(relayKey));
  const isQuorum = set !== undefined && hasQuorum(set, (key) => answered.has(key));
  return {
    known: reports === undefined ? "unknown" : isQuorum ? "whole" : "partly",
    events: Math.max(0, (has?.seq ?? -1) - facts.commonSeq),
    behindMs: had === undefined || has === undefined ? 0 : Math.max(0, has.timeMs - had.timeMs),
    from: had,
    to: has,
    turns: facts.turns,
    leftTheChain: had !== undefined && facts.commonSeq < had.seq,
    read: read.map(({ url }) => url),
    unreachable: failed.map(({ url, error }) => ({ url, code: error.code, why: whyOf(url, error) })),
    missing: Math.max(0, (remembered?.seq ?? -1) - (has?.seq ?? -1)),
    unknownSteps: facts.steps?.filter(({ state }) => state === "unknown"),
    staleSecrets: facts.staleSecrets,
    vaultKey: facts.vaultKey,
  };
}

/** The same for people: what is known first, then everything that somebody has to look after, with what to do. */
export function gapLines(gap: Gap): string[] {
  const { known, events, missing, leftTheChain, unknownSteps, staleSecrets, vaultKey } = gap;
  const lines = [headline(gap)];
  for (const { url, why } of gap.unreachable) lines.push(`not read: ${url}: ${why}`);
  if (known === "partly")
    lines.push(
      "too few of the agent's relays answered: there may be more (ants activate asks again, and needs a quorum)",
    );
  if (missing > 0) lines.push(`the vault remembers ${plural(missing, "event")} more than was found here and there`);
  if (leftTheChain)
    lines.push("the copy's last events lost their place: another instance went on without them (ants log side)");
  if (events > 0 && gap.turns > 0) lines.push(`written in ${plural(gap.turns, "turn")} since`);
  if (unknownSteps === undefined) lines.push("steps: not known, as no key here opens the agent's private events");
  for (const { key, name, parked } of unknownSteps ?? []) {
    const what = parked ? "is parked" : "was under way";
    lines.push(`step ${key} (${name}) ${what}: nobody knows whether it happened (docs/steps.md)`);
  }
  for (const { name, label, version, why } of staleSecrets ?? []) {
    const what = why === "stale" ? "is out of date" : "was revoked";
    lines.push(`secret ${name} (${label}), version ${version} ${what}: ants secret rotate ${name} --label ${label}`);
  }
  if (vaultKey === "replaced")
    lines.push(
      "this vault's key was replaced since: bring the vault from where that was done (ants vault export there, " +
        "ants vault import here), or take the agent over with the words: ants recover",
    );
  return lines;
}

function headline({ known, events, behindMs, to }: Gap): string {
  if (known === "unknown") return "how far this copy is behind is not known: no relay was asked";
  if (events === 0) return to === undefined ? "no event on any relay that answered" : "as new as the relays";
  return `${plural(events, "event")} and ${spanText(behindMs)} behind the relays`;
}

/** "4 h 12 min", "3 d 2 h", "40 s": the two largest units that say something. */
export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

function whyOf(url: string, { message }: AntsError): string {
  return message.replace(`cannot reach the relay ${url}: `, "").replace(`${url}: `, "").replace(` ${url}`, "");
}
