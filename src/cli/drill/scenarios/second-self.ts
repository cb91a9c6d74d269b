import type { Counter } from "../counter.js";
import type { Stage } from "../stage.js";
import type { Scenario } from "./scenario.js";
import { SCENARIO_TITLES } from "./titles.js";

/** A fenced writer has this long from its first contact with a relay. */
const STOPS_WITHIN_MS = 5_000;
const COUNTS = 8;

/** The first host was not gone after all: only cut off, or asleep, or there twice. */
export const SECOND_SELF: readonly Scenario[] = [
  {
    name: "partition",
    title: SCENARIO_TITLES.partition,
    cuts: true,
    async play(stage) {
      const { a, b } = stage;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await stage.copyToB();
      await a.cut();
      stage.tell(`A is cut off from all relays after ${first.last} numbers`);
      const second = await takeOver(stage);
      await second.counts(COUNTS);
      const contact = a.contact(first.pid);
      await a.mend();
      stage.tell(`the way from A to the relays is open again; B is at number ${second.last}`);
      const contactMs = await contact;
      stage.tell("A and a relay hear of each other again");
      await fenced(stage, first, contactMs);
      await second.counts(second.counted.length + COUNTS);
      await second.stop();
      await stage.conclude(b);
    },
  },
  {
    name: "pause",
    title: SCENARIO_TITLES.pause,
    async play(stage) {
      const { a, b } = stage;
      // The call that it was about to make when it was stopped is made when it wakes, in the same instant: nothing can
      // be asked in between. The key says that it was made before.
      stage.allowedRepeats = 1;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await stage.copyToB();
      first.signal("SIGSTOP");
      stage.tell(`A is stopped after ${first.last} numbers`);
      const second = await takeOver(stage);
      await second.counts(COUNTS);
      first.signal("SIGCONT");
      const wokenMs = performance.now();
      stage.tell(`A is woken; B is at number ${second.last}`);
      await fenced(stage, first, wokenMs);
      await second.counts(second.counted.length + COUNTS);
      await second.stop();
      await stage.conclude(b);
    },
  },
  {
    name: "clone",
    title: SCENARIO_TITLES.clone,
    async play(stage) {
      const { a, b } = stage;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await first.kill();
      await b.copyFrom(a, "ants", "vault.json");
      stage.tell(`A is killed after ${first.last} numbers, and B gets its disk, byte by byte`);
      const racers = [stage.count(a), stage.count(b)] as const;
      const fates = await Promise.all(racers.map((racer) => racer.fate()));
      const holders = racers.filter((_, index) => fates[index]!.at === "open");
      const codes = fates.flatMap((fate) => (fate.at === "ended" ? [fate.code] : []));
      stage.check(
        "exactly one of the two gets the pen",
        holders.length === 1,
        `${holders.length} got it${codes.length === 0 ? "" : `, the other was told: ${codes.join(", ")}`}`,
      );
      const message = fates.flatMap((fate) => (fate.at === "ended" ? [fate.message] : [])).join("; ");
      stage.check("the other is told who holds it", codes.join() === "held", message);
      const winner = holders[0];
      if (winner === undefined) return;
      stage.tell(`host ${winner.host.name} has the pen; the other was told: ${message}`);
      await winner.counts(COUNTS);
      await winner.stop();
      await stage.conclude(winner.host);
    },
  },
];

/** B takes over from a holder that the relays think is alive, as its owner would who says that A is gone. */
export async function takeOver(stage: Stage): Promise<Counter> {
  const second = stage.count(stage.b, { takeover: true });
  const { epoch, next } = await second.opened();
  stage.tell(`B has the pen in epoch ${epoch}, and counts on at ${next}`);
  return second;
}

/** The first writer must hear of it, stop, and say why. */
async function fenced(stage: Stage, first: Counter, backMs: number): Promise<void> {
  const atMs = performance.now();
  const reason = await first.lost();
  const tookMs = Math.round(Math.max(0, (first.lostAtMs ?? atMs) - backMs));
  stage.check(
    `A is fenced, and stops within ${STOPS_WITHIN_MS / 1000} s of its first contact`,
    reason === "fenced" && tookMs <= STOPS_WITHIN_MS,
    `${reason} after ${tookMs} ms`,
  );
  stage.tell(`A lost the pen (${reason}) after ${tookMs} ms and stopped`);
  await first.ended;
}
