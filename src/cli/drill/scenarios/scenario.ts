import type { Stage } from "../stage.js";
import type { ScenarioName } from "./titles.js";

/** One way in which a host can be lost, and what has to come of it. */
export interface Scenario {
  /** For --only and file names. */
  readonly name: ScenarioName;
  /** One line for people. */
  readonly title: string;
  /** It harms its relays: it gets three of its own. */
  readonly ownRelays?: true;
  /** It cuts a host off: only a network that is the drill's own can. */
  readonly cuts?: true;
  /** With hosts A and B made and the agent founded on A. Throws what keeps it from going on. */
  readonly play: (stage: Stage) => Promise<void>;
}
