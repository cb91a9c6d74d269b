import { PHRASE_ONLY } from "./phrase.js";
import { RELAY_TROUBLE } from "./relays.js";
import type { Scenario } from "./scenario.js";
import { SECOND_SELF } from "./second-self.js";

export const SCENARIOS: readonly Scenario[] = [...SECOND_SELF, ...RELAY_TROUBLE, PHRASE_ONLY];
