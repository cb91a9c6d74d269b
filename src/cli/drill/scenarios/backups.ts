import type { Stage } from "../stage.js";
import type { Scenario } from "./scenario.js";
import { SCENARIO_TITLES } from "./titles.js";

const COUNTS = 8;
const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

/** What `ants backup restore --json` says that matters here. */
interface Restored {
  readonly gap: { readonly events: number; readonly unknownSteps?: readonly unknown[] };
}

/** Host A is killed and its disk is gone; B has the backups, and nothing of A. */
export const FROM_BACKUPS: readonly Scenario[] = [
  {
    name: "crash",
    title: SCENARIO_TITLES.crash,
    async play(stage) {
      const { a, b, bed } = stage;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await b.copyFrom(a, "vault.json");
      const store = await stage.backUp(a, "hot", -HOUR_MS);
      await first.counts(first.counted.length + 2 * COUNTS);
      await dieInMidCall(stage, first);
      const target = await b.lend(store);
      const { gap } = await b.run<Restored>(["backup", "restore", "latest", "--target", target, "--to", b.home]);
      checkGap(stage, gap, COUNTS);
      // Unattended where there is time: the relays say when the other one has been silent for long enough.
      const patient = bed.network.isolation === "namespaces";
      await b.run(["activate", patient ? "--wait" : "--takeover"]);
      stage.tell(`B is awake${patient ? ", after the minute in which A might have been there" : ""}`);
      await goOn(stage);
    },
  },
  {
    name: "cold",
    title: SCENARIO_TITLES.cold,
    async play(stage) {
      const { a, b } = stage;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await b.copyFrom(a, "vault.json");
      const store = await stage.backUp(a, "cold", -WEEK_MS);
      await first.counts(first.counted.length + 2 * COUNTS);
      await dieInMidCall(stage, first);
      const restore = ["backup", "restore", "latest", "--target", await b.lend(store), "--to", b.home];
      const refused = await b.fails(restore);
      stage.check("a host's own key cannot open a cold backup", refused === "backup-no-key", refused);
      const words = await stage.lendWords(b);
      const { gap } = await b.run<Restored>([...restore, "--phrase-file", words]);
      checkGap(stage, gap, COUNTS);
      await b.run(["activate", "--takeover"]);
      await goOn(stage);
    },
  },
];

/** SIGKILL while a call is under way that the receiver takes and A never hears of; then the disk is gone. */
async function dieInMidCall(stage: Stage, first: ReturnType<Stage["count"]>): Promise<void> {
  await stage.bed.receiver.swallowNext(stage.did);
  await first.kill();
  await stage.lose(stage.a);
  stage.tell(`A is killed after ${first.last} numbers, in the midst of a call, and its disk is gone`);
}

function checkGap(stage: Stage, gap: Restored["gap"], numbers: number): void {
  stage.check(
    "the restored copy says how far it was behind, and has what it lacked",
    gap.events > numbers,
    `${gap.events} events behind the relays`,
  );
  const unknown = gap.unknownSteps?.length ?? 0;
  stage.check("it says which step is of unknown outcome", unknown === 1, `${unknown} steps`);
  stage.tell(`B has the backup, asleep: ${gap.events} events behind the relays, ${unknown} step of unknown outcome`);
}

async function goOn(stage: Stage): Promise<void> {
  const second = stage.count(stage.b);
  const { epoch, next } = await second.opened();
  stage.tell(`B has the pen in epoch ${epoch}, and counts on at ${next}`);
  await second.counts(COUNTS);
  await second.stop();
  await stage.conclude(stage.b);
}
