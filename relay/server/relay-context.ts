/** What the parts of a running relay share. */
import type { Clock, Random } from "../../keys/ports.js";
import type { RelayLimits } from "../../src/protocol/limits.js";
import type { RelayInfo } from "../../src/protocol/relay-info.js";
import type { HandleRules } from "../admission/handle-book.js";
import type { RelayConfig } from "../config.js";
import type { DataFolder } from "../data-folder.js";
import type { Ledger } from "../ledger.js";
import type { Metrics } from "../metrics.js";
import type { Reading } from "../reading.js";
import type { RelayLog } from "../relay-log.js";
import type { ByteBudget } from "./byte-budget.js";
import type { Intake } from "./intake.js";
import type { LogReader } from "./log-reader.js";
import type { MessageBudget } from "./message-budget.js";
import type { Turns } from "./turns.js";

export interface RelayContext {
  readonly config: RelayConfig;
  readonly limits: RelayLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly folder: DataFolder;
  readonly ledger: Ledger;
  readonly reading: Reading;
  readonly intake: Intake;
  readonly reader: LogReader;
  readonly turns: Turns;
  readonly messages: MessageBudget;
  /** Bytes received and not yet answered. */
  readonly awaiting: ByteBudget;
  /** Bytes written and not yet sent. */
  readonly unsent: ByteBudget;
  readonly log: RelayLog;
  readonly metrics: Metrics;
  /** What the relay says of itself. */
  info(): RelayInfo;
  /** Every URL under which auth lines may name this relay. */
  urls(): readonly string[];
  readonly handles: HandleRules;
  /** True from the moment that the relay was told to stop. */
  isClosing(): boolean;
  /** Why the relay is not ready to be used; undefined when it is. */
  unreadiness(): Promise<{ readonly code: string; readonly message: string } | undefined>;
  /** Takes note of a fault of this side, of which clients only hear `internal`. */
  onFault(error: unknown): void;
}
