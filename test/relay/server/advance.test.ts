import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { systemClock as clock } from "../../../keys/ports.js";
import { type Growing, untilAdvance } from "../../../relay/server/advance.js";

/** A log that grows when it is told to. */
class TestLog implements Growing {
  readonly listeners = new Set<() => void>();
  position = 0;

  onAdvance(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  grow(): void {
    this.position += 1;
    for (const listener of [...this.listeners]) listener();
  }
}

/** Signals that were made of this one, as far as this version of Node says: each stays for as long as it lives. */
function madeOf(signal: AbortSignal): number {
  const name = Object.getOwnPropertySymbols(signal).find(({ description }) => description === "kDependantSignals");
  const signals =
    name === undefined ? undefined : (signal as unknown as Record<symbol, Set<unknown> | undefined>)[name];
  return signals?.size ?? 0;
}

test("a reader that waits for the log a thousand times leaves nothing behind", async () => {
  const log = new TestLog();
  const { signal } = new AbortController();
  for (let i = 0; i < 1_000; i++) {
    const waiting = untilAdvance(log, log.position, { clock, signal, maxMs: 15_000 });
    log.grow();
    expect(await waiting).toBe(true);
  }
  expect(await untilAdvance(log, log.position, { clock, signal, maxMs: 1 })).toBe(false);
  expect(log.listeners.size).toBe(0);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  expect(madeOf(signal)).toBe(0);
});

test("a reader that is gone waits no longer", async () => {
  const log = new TestLog();
  const gone = new AbortController();
  const waiting = untilAdvance(log, log.position, { clock, signal: gone.signal, maxMs: 15_000 });
  gone.abort();
  expect(await waiting).toBe(false);
  expect(log.listeners.size).toBe(0);
});
