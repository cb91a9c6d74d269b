import type { VerificationBound } from "./bounds.js";
import type { IngestResult } from "./ingest.js";
import type { ReplayResult } from "./replay.js";

export interface IngestRow extends IngestResult {
  readonly connections: number;
  /** Events under one signature. */
  readonly batchEvents: number;
  readonly frameEntries: number;
}

export interface BenchReport {
  readonly node: string;
  readonly quick: boolean;
  readonly verification: VerificationBound;
  readonly appendBytesPerSecond: number;
  readonly ingest: readonly IngestRow[];
  readonly replay: ReplayResult;
}

/** Entries a second as a share of all-core verifications a second, with 64 entries a frame, by events a signature. */
const INGEST_FLOORS: ReadonlyMap<number, number> = new Map([
  [1, 0.4],
  [64, 0.8],
]);
/** Of the bytes a second that a bare WebSocket server gets through with the same frames. */
const REPLAY_FLOOR = 0.2;

/** The floors that this run did not reach, with one connection and with many. */
export function missedFloors(report: BenchReport): string[] {
  const missed: string[] = [];
  for (const [batchEvents, floor] of INGEST_FLOORS) {
    const rows = report.ingest.filter((row) => row.batchEvents === batchEvents && row.frameEntries === 64);
    for (const row of rows) {
      const ratio = ratioOf(row, report);
      const what = `ingest, ${row.connections} connections, batches of ${batchEvents}`;
      if (ratio < floor) missed.push(`${what}: ${ratio.toFixed(2)} of the bound, not ${floor}`);
    }
  }
  const ratio = report.replay.relayBytesPerSecond / report.replay.rawBytesPerSecond;
  if (ratio < REPLAY_FLOOR) missed.push(`replay: ${ratio.toFixed(2)} of the bound, not ${REPLAY_FLOOR}`);
  return missed;
}

function ratioOf(row: IngestRow, report: BenchReport): number {
  return row.perSecond / report.verification.allCoresPerSecond;
}

/** The report as a table for people. */
export function printReport(report: BenchReport): void {
  const { verification, replay } = report;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB/s`;
  const count = (n: number) => Math.round(n).toLocaleString("en");
  console.log(`Node ${report.node}, ${verification.cores} cores, relay and load on the same machine

bounds
  Ed25519 verifications   ${count(verification.oneCorePerSecond)}/s on one core, ${count(verification.allCoresPerSecond)}/s on all
  append with fdatasync   ${mib(report.appendBytesPerSecond)}
  bare WebSocket, one way ${mib(replay.rawBytesPerSecond)}

ingest: durable and verified
  connections  events/signature  entries/frame   entries/s     log       of verification  of append  relay µs/entry`);
  for (const row of report.ingest) {
    console.log(
      [
        "  ",
        String(row.connections).padStart(11),
        String(row.batchEvents).padStart(18),
        String(row.frameEntries).padStart(15),
        count(row.perSecond).padStart(12),
        mib(row.bytesPerSecond).padStart(11),
        ratioOf(row, report).toFixed(2).padStart(17),
        (row.bytesPerSecond / report.appendBytesPerSecond).toFixed(2).padStart(11),
        row.relayMicroseconds.toFixed(0).padStart(16),
      ].join(""),
    );
  }
  const share = replay.relayBytesPerSecond / replay.rawBytesPerSecond;
  console.log(`
replay to one reader
  ${count(replay.relayEntriesPerSecond)} entries/s, ${mib(replay.relayBytesPerSecond)}: ${share.toFixed(2)} of a bare WebSocket with the same ${replay.frames} frames`);
}
