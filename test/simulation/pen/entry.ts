/** What `scripts/sim-bundle.mjs` bundles. */
export { runScenario, scenarioNames } from "./scenarios/run.js";
export { simulate } from "./simulate.js";
