// What runs of the simulation exercised, added up: over the seeds of one process, and over processes.

/** Figures of seeds that broke nothing. Plain data, so that a process can hand them to another. */
export class SimSummary {
  seeds = 0;
  simulatedMs = 0;
  /** Processor time of the processes that ran seeds, in seconds. */
  cpuSeconds = 0;
  /** By name: seeds that saw it, and how often in all. */
  counts = {};
  /** By name of the shape: seeds. */
  shapes = {};

  /** One seed's report. */
  add({ simulatedMs, shape, counts }) {
    this.seeds += 1;
    this.simulatedMs += simulatedMs;
    this.shapes[shape] = (this.shapes[shape] ?? 0) + 1;
    for (const [name, count] of counts) this.#count(name, 1, count);
  }

  /** Another process's figures. */
  merge({ seeds, simulatedMs, cpuSeconds, counts, shapes }) {
    this.seeds += seeds;
    this.simulatedMs += simulatedMs;
    this.cpuSeconds += cpuSeconds;
    for (const [name, seen] of Object.entries(counts)) this.#count(name, seen.seeds, seen.count);
    for (const [name, count] of Object.entries(shapes)) this.shapes[name] = (this.shapes[name] ?? 0) + count;
  }

  /** The share of all seeds that saw it. */
  share(name) {
    return (this.counts[name]?.seeds ?? 0) / this.seeds;
  }

  #count(name, seeds, count) {
    const before = this.counts[name] ?? { seeds: 0, count: 0 };
    this.counts[name] = { seeds: before.seeds + seeds, count: before.count + count };
  }
}

/**
 * Runs `simulate` on `count` seeds. `failed` are those that broke an invariant: with `keepGoing` all of them, else it ends
 * with the first. It also ends when `each` says "stop".
 */
export async function runSeeds(simulate, from, count, { trace, each, keepGoing = false } = {}) {
  const summary = new SimSummary();
  const startCpu = process.cpuUsage();
  const failed = [];
  for (let seed = from; seed < from + count && (keepGoing || failed.length === 0); seed++) {
    const report = await simulate(seed, trace);
    summary.add(report);
    if (report.violation !== undefined) {
      const { shape, violation } = report;
      failed.push({ seed, shape, violation });
    }
    if ((await each?.(report)) === "stop") break;
  }
  const { user, system } = process.cpuUsage(startCpu);
  summary.cpuSeconds = (user + system) / 1e6;
  return { summary, failed };
}
