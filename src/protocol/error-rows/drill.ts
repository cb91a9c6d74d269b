import { type ErrorRow, fatal } from "./row.js";

/** Rehearsing the loss of a host. */
export const DRILL_ERRORS = {
  "drill-network": fatal(
    "The networks that keep the hosts of a drill apart could not be made.",
    "Run it with --isolation processes, or as root on a system with iproute2 and util-linux.",
  ),
} as const satisfies Record<string, ErrorRow>;
