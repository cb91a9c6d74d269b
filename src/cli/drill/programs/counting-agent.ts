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
import { parseEvent } from "../../../protocol/event.js";
import { COUNT_KIND, type CounterSaid, type CountingOptions, INTENT_KIND } from "../counting.js";

const options = JSON.parse(process.argv[2]!) as CountingOptions;
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.once("disconnect", () => process.exit());

function say(what: CounterSaid): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** The next number, and whether an earlier attempt may have called the receiver for it already. */
async function resume(agent: Agent): Promise<{ next: number; isUnknown: boolean }> {
  let [last, intended] = [0, 0];
  for (let seq = 0; seq <= (agent.chain.head?.seq ?? -1); seq++) {
    const { kind, body } = parseEvent(await agent.chain.line(agent.chain.tree.chainAt(seq)!)).event;
    if (kind === COUNT_KIND) last = (body as { n: number }).n;
    if (kind === INTENT_KIND) intended = (body as { n: number }).n;
  }
  return { next: last + 1, isUnknown: intended > last };
}

async function post(agent: Agent, n: number, key: string): Promise<void> {
  agent.pen.check();
  const body = JSON.stringify({ agent: agent.did, n, key, host: options.host });
  await fetch(`${options.receiver}/count`, { method: "POST", body });
}

async function wasTaken(key: string): Promise<boolean> {
  const answer = await fetch(`${options.receiver}/count?key=${encodeURIComponent(key)}`);
  return ((await answer.json()) as { taken: boolean }).taken;
}

async function count(agent: Agent): Promise<void> {
  let { next: n, isUnknown } = await resume(agent);
  say({ at: "open", epoch: agent.pen.epoch, next: n, isUnknown });
  for (; !stop.signal.aborted; n++) {
    const key = `${agent.did}/${n}`;
    if (isUnknown) {
      if (!(await wasTaken(key))) await post(agent, n, key);
      isUnknown = false;
    } else {
      await agent.publisher.publish([{ kind: INTENT_KIND, body: { n, key } }]);
      await post(agent, n, key);
    }
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
