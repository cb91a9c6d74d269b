/** `npm run bench`: what the relay does a second, next to what this machine can do at most, measured in the same run. */
import { parseArgs } from "node:util";
import { isAntsError } from "../keys/index.js";
import { measureAppend, measureVerification } from "./bounds.js";
import { measureIngest } from "./ingest.js";
import { loadAgent } from "./load.js";
import { measureReplay } from "./replay.js";
import { type BenchReport, type IngestRow, missedFloors, printReport } from "./report.js";

const BATCHES = [1, 16, 64, 256];
const FRAMES = [64, 1];
const CONNECTIONS = [1, 50];

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) {
  console.log(`Usage: npm run bench -- [--quick] [--json]

  --quick  fewer entries a measurement; under a minute
  --json   the report as JSON on standard output

Exit code 1 when a bound is not credible: then nothing that was measured means anything.`);
} else {
  process.exitCode = await run(values.quick, values.json);
}

async function run(quick: boolean, json: boolean): Promise<number> {
  const say = (text: string) => {
    if (!json) console.error(text);
  };
  try {
    say("measuring the bounds …");
    const verification = await measureVerification(quick ? 700 : 2_000);
    const appendBytesPerSecond = await measureAppend(quick ? 700 : 2_000);
    const ingest: IngestRow[] = [];
    for (const connections of CONNECTIONS) {
      for (const batchEvents of BATCHES) {
        for (const frameEntries of FRAMES) {
          const total = (quick ? 1 : 5) * entriesFor(batchEvents, frameEntries);
          const perAgent = Math.ceil(total / connections);
          const agents = Array.from({ length: connections }, () => loadAgent(perAgent, batchEvents));
          say(`ingest: ${connections} connections, batches of ${batchEvents}, ${frameEntries} entries a frame …`);
          ingest.push({ connections, batchEvents, frameEntries, ...(await measureIngest(agents, frameEntries)) });
        }
      }
    }
    say("replay …");
    const replay = await measureReplay([loadAgent(quick ? 40_000 : 200_000, 256)], quick ? 3 : 7);
    const report: BenchReport = { node: process.version, quick, verification, appendBytesPerSecond, ingest, replay };
    if (json) console.log(JSON.stringify(report, null, 2));
    else printReport(report);
    for (const floor of missedFloors(report)) console.error(`warning: below its floor: ${floor}`);
    return 0;
  } catch (error) {
    if (!isAntsError(error)) throw error;
    console.error(`error: ${error.message}`);
    return 1;
  }
}

/** Entries of one measurement: about a second's worth of what it should do. */
function entriesFor(batchEvents: number, frameEntries: number): number {
  if (frameEntries === 1) return 6_000;
  return batchEvents === 1 ? 20_000 : 40_000;
}
