import type { Scenario } from "./scenario.js";
import { takeOver } from "./second-self.js";
import { SCENARIO_TITLES } from "./titles.js";

const COUNTS = 8;

/** Host A dies when not all is well with the relays either. */
export const RELAY_TROUBLE: readonly Scenario[] = [
  {
    name: "relay-dead",
    title: SCENARIO_TITLES["relay-dead"],
    ownRelays: true,
    async play(stage) {
      const { a, b, bed } = stage;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await stage.copyToB();
      await first.counts(2 * COUNTS);
      await bed.relays[1]!.kill();
      await first.counts(3 * COUNTS);
      stage.tell("relay 2 is killed, and A goes on with the other two");
      await first.kill();
      await stage.lose(a);
      stage.tell(`A is killed after ${first.last} numbers, and its disk is gone`);
      const second = await takeOver(stage);
      await second.counts(COUNTS);
      await second.stop();
      await stage.conclude(b);
    },
  },
  {
    name: "relay-rebuilt",
    title: SCENARIO_TITLES["relay-rebuilt"],
    ownRelays: true,
    async play(stage) {
      const { a, b, bed } = stage;
      const first = stage.count(a);
      await first.counts(COUNTS);
      await stage.copyToB();
      await first.counts(2 * COUNTS);
      await first.kill();
      await stage.lose(a);
      const before = bed.relays[2]!.stream;
      await bed.relays[2]!.rebuildEmpty();
      stage.tell(`A is gone after ${first.last} numbers; relay 3 lost its disk too, and is back, empty`);
      stage.check(
        "the rebuilt relay is another incarnation",
        bed.relays[2]!.stream !== before,
        `${before} became ${bed.relays[2]!.stream}`,
      );
      const second = await takeOver(stage);
      await second.counts(COUNTS);
      await second.stop();
      await stage.conclude(b);
    },
  },
];
