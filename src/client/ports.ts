import { dial as socketDial } from "#socket";
import { type Clock, type Random, systemClock, systemRandom } from "../../keys/ports.js";
import { type HttpGet, webGet } from "./http.js";
import type { Dial } from "./socket/socket.js";

/** Everything outside of this process that client code touches, besides a disk. */
export interface ClientPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly dial: Dial;
  readonly get: HttpGet;
}

/** The machine's own clock, random source and network. */
export const systemPorts: ClientPorts = { clock: systemClock, random: systemRandom, dial: socketDial, get: webGet };
