/** Every scenario by its name, with what happens in it. Apart from them: help names them, and loads no drill for that. */
export const SCENARIO_TITLES = {
  crash: "host A is killed and its disk deleted; B restores a hot backup an hour old",
  cold: "host A is killed and its disk deleted; B restores a cold backup a week old, with the words",
  phrase: "host A is gone, there is no backup, and no vault: only the recovery words",
  handover: "the agent is moved from host A to host B, and the bundle is replayed later",
  partition: "host A is cut off from the relays, B takes over, A comes back",
  pause: "host A is paused (SIGSTOP), B takes over, A wakes",
  clone: "host A dies, its disk is copied, and both copies are started at once",
  "relay-dead": "host A and one of the three relays are gone",
  "relay-rebuilt": "host A is gone, and one relay comes back with an empty disk",
} as const;

export type ScenarioName = keyof typeof SCENARIO_TITLES;
