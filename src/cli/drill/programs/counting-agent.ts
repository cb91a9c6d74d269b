/**
 * The drill's agent: it counts on its chain and calls a receiver once per number, until it is told to stop or loses the
 * pen. `counting-agent.js '<JSON of CountingOptions>'`. Says what happens in JSON lines on stdout.
 */
import { readFileSync } from "node:fs";
import { utf8 } from "../../../../keys/bytes.js";
import { isAntsError } from "../../../../keys/errors.js";
import { systemClock } from "../../../../keys/ports.js";
import type { Agent } from "../../../agent/open-agent.js";
import { openHome } from "../../../agent/open-home.js";
import { ownEvents } from "../../../agent/own-events.js";
import type { StepVerdict, UnknownStep } from "../../../agent/steps.js";
import { COUNT_KIND, type CounterSaid, type CountingOptions } from "../counting.js";

const options = JSON.parse(process.argv[2]!) as CountingOptions;
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.once("disconnect", () => process.exit());

function say(what: CounterSaid): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** The number that is next: what comes after the last that was counted on the chain, whoever did. */
async function nextNumber(agent: Agent): Promise<number> {
  let last = 0;
  const toSeq = agent.chain.head?.seq ?? -1;
  for await (const { body } of ownEvents(agent.chain, [COUNT_KIND], 0, toSeq)) last = (body as { n: number }).n;
  return last + 1;
}

async function call(agent: Agent, n: number, key: string): Promise<void> {
  const body = JSON.stringify({ agent: agent.did, n, key, host: options.host });
  const answer = await fetch(`${options.receiver}/count`, { method: "POST", body });
  await answer.body?.cancel();
}

/** What became of a call of unknown outcome: the receiver knows, by its key. */
async function ask({ idempotencyKey }: UnknownStep): Promise<StepVerdict> {
  const answer = await fetch(`${options.receiver}/count?key=${idempotencyKey}`);
  const { taken } = (await answer.json()) as { taken: boolean };
  return taken ? { status: "done" } : { status: "not-done", reason: "the receiver does not have it" };
}

async function count(agent: Agent): Promise<void> {
  let n = await nextNumber(agent);
  const unknown = (await agent.steps.unknown()).length;
  say({ at: "open", epoch: agent.pen.epoch, next: n, isUnknown: unknown > 0 });
  for (; !stop.signal.aborted; n++) {
    const number = n;
    await agent.steps.run(`count/${number}`, "count", ({ idempotencyKey }) => call(agent, number, idempotencyKey), {
      verify: ask,
    });
    const { events } = await agent.publisher.publish([{ kind: COUNT_KIND, body: { n } }]);
    say({ at: "counted", n, id: events[0]!.id });
    await systemClock.sleep(options.everyMs, stop.signal).catch(() => undefined);
  }
}

async function main(): Promise<void> {
  const { home, vault, passphraseFile, takeover, wait } = options;
  const agent = await openHome({
    home,
    vault,
    unlock: { passphrase: utf8(readFileSync(passphraseFile, "utf8").trim()) },
    ...(takeover === true ? { takeover } : {}),
    ...(wait === true ? { wait } : {}),
    timeoutMs: options.timeoutMs,
  });
  const lost = agent.lost.then((loss) => {
    if (loss.reason === "released") return;
    say({ at: "lost", reason: loss.reason });
    stop.abort();
  });
  try {
    await count(agent);
  } finally {
    if (agent.pen.loss !== undefined) await lost;
    await agent.close();
  }
}

try {
  await main();
  say({ at: "closed" });
} catch (error) {
  const code = isAntsError(error) ? error.code : "unknown";
  const message = error instanceof Error ? error.message : String(error);
  say({ at: "ended", code, message });
}
process.stdout.write("", () => process.exit());
