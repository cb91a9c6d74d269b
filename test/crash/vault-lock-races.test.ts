import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Prng } from "../keys/prng.js";
import { LineProgram } from "./lines.js";

const RACERS = 6;
const ROUNDS = 200;
const SEED = 20_261;

const racers: LineProgram[] = [];

afterAll(async () => {
  await Promise.all(racers.map((racer) => racer.kill()));
});

/**
 * Six processes race for one lock. In each round the holder, if there is one, keeps it, releases it or is killed with
 * -9 at the very moment when the others try.
 */
it(`has one holder at most in ${ROUNDS} races, with holders that are killed`, { timeout: 600_000 }, async () => {
  const path = join(temporaryFolder(), "lock");
  const prng = new Prng(SEED);
  const start = async (): Promise<LineProgram> => {
    const racer = new LineProgram("lock-racer.mjs", [path]);
    expect(await racer.answer()).toBe("ready");
    return racer;
  };
  racers.push(...(await Promise.all(Array.from({ length: RACERS }, start))));
  let holder: LineProgram | undefined;
  const counts = { kill: 0, release: 0, stay: 0, free: 0, takenOverAtOnce: 0 };

  for (let round = 0; round < ROUNDS; round++) {
    const fate = holder === undefined ? "free" : prng.pick(["stay", "release", "kill", "kill"] as const);
    counts[fate]++;
    const others = racers.filter((racer) => racer !== holder);
    const tryAll = () => {
      for (const racer of others) racer.say("try");
    };
    const endHolder = () => {
      if (fate === "release") holder!.say("release");
      if (fate === "kill") holder!.child.kill("SIGKILL");
    };
    const order = prng.pick([
      [tryAll, endHolder],
      [endHolder, tryAll],
    ]);
    for (const act of order) act();
    const answers = await Promise.all(others.map((racer) => racer.answer()));
    const winners = others.filter((_, i) => answers[i] === "held");

    const what = `round ${round}, ${fate}: ${answers.join(", ")}`;
    expect(winners.length, what).toBeLessThanOrEqual(1);
    if (fate === "stay") expect(new Set(answers), what).toEqual(new Set([`refused ${holder!.child.pid}`]));
    if (fate === "free") expect(winners.length, what).toBe(1);
    if (fate === "release") expect(await holder!.answer()).toBe("released");
    if (fate === "kill") {
      await holder!.exited;
      racers[racers.indexOf(holder!)] = await start();
    }
    if ((fate === "kill" || fate === "release") && winners.length === 1) counts.takenOverAtOnce++;
    if (fate !== "stay") holder = winners[0];
  }
  console.info(`lock races (seed ${SEED}): ${JSON.stringify(counts)}`);
  expect(counts.kill).toBeGreaterThan(30);
  expect(counts.takenOverAtOnce).toBeGreaterThan(10);
});
