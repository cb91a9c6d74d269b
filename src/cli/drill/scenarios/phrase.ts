import type { Scenario } from "./scenario.js";
import { SCENARIO_TITLES } from "./titles.js";

const COUNTS = 8;

export const PHRASE_ONLY: Scenario = {
  name: "phrase",
  title: SCENARIO_TITLES.phrase,
  async play(stage) {
    const { a, b, bed } = stage;
    const first = stage.count(a);
    await first.counts(COUNTS);
    const swallowed = bed.receiver.swallowNext(stage.did);
    await swallowed;
    await first.kill();
    await stage.lose(a);
    stage.tell(`A is killed after ${first.last} numbers, in the midst of a call; its disk is gone`);
    const words = await stage.lendWords(b);
    const relay = bed.relays[0]!.url;
    const recovered = await b.run<{ did: string }>(["recover", "--relay", relay, "--phrase-file", words, "--yes"]);
    stage.tell(`B is the agent again, with the words and one relay's address: ${recovered.did}`);
    const second = stage.count(b, { takeover: true });
    const { next, isUnknown } = await second.opened();
    stage.check("it knows that a call is of unknown outcome", isUnknown, isUnknown ? `number ${next}` : "it does not");
    await second.counts(COUNTS);
    await second.stop();
    await stage.conclude(b);
  },
};
