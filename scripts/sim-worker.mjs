// A process of `npm run sim -- --jobs N`: runs the slices of seeds that it is sent, and answers each with its figures.
// Argument: the bundled simulation.
import { pathToFileURL } from "node:url";
import { runSeeds } from "./sim-summary.mjs";

Error.stackTraceLimit = 0;
const { simulate } = await import(pathToFileURL(process.argv[2]).href);
// ^C goes to the whole group: whoever handed out the slice says when to end.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
process.on("message", async ({ from, count, keepGoing }) => {
  process.send({ from, ...(await runSeeds(simulate, from, count, { keepGoing })) });
});
process.send({ isReady: true });
