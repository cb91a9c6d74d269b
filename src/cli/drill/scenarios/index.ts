import { FROM_BACKUPS } from "./backups.js";
import { HAND_OVER } from "./handover.js";
import { PHRASE_ONLY } from "./phrase.js";
import { RELAY_TROUBLE } from "./relays.js";
import type { Scenario } from "./scenario.js";
import { SECOND_SELF } from "./second-self.js";

/** The longest first: several are played at a time. */
export const SCENARIOS: readonly Scenario[] = [
  ...FROM_BACKUPS,
  PHRASE_ONLY,
  HAND_OVER,
  ...SECOND_SELF,
  ...RELAY_TROUBLE,
];
