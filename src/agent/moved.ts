import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import type { AgentHome } from "./home.js";

/**
 * What a home remembers of an agent that moves away, or has: with this note nothing begins to work in it. It is written
 * before the pen is handed over, so no crash leaves a home that doesn't know.
 */
export interface Departure {
  /** `leaving`: the hand-over may be signed or not. `gone`: a quorum of relays has it. */
  readonly state: "leaving" | "gone";
  /** Hash of the request that it goes to. */
  readonly request: string;
  /** The instance that goes on, 16 hexadecimal digits. */
  readonly instance: string;
  /** Where the bundle was written. */
  readonly bundle: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Id of the hand-over event, once it is committed. */
  readonly handover?: string;
  /** Id of a claim of that instance, where this home was shown one: the agent has been at work there. */
  readonly arrived?: string;
}

/** Its name in a home: it goes into no archive. */
export const DEPARTURE_FILE = ".ants/moved.json";

function departurePath({ path }: AgentHome): string {
  return `${path}/${DEPARTURE_FILE}`;
}

/** What a home remembers; undefined where its agent is not moving. Throws "home-damaged", disk errors. */
export async function readDeparture(disk: Disk, home: AgentHome): Promise<Departure | undefined> {
  const path = departurePath(home);
  const bytes = await disk.read(path);
  if (bytes === undefined) return undefined;
  try {
    const departure = JSON.parse(fromUtf8(bytes)) as Departure;
    if (departure.state === "leaving" || departure.state === "gone") return departure;
  } catch {
    // Told below, like a note of another form.
  }
  throw new AntsError("home-damaged", `${path} cannot be understood, and says that the agent moves away`, {
    hint: "find out where the agent lives now (ants resolve, ants log turns); remove the file only if it is here",
    details: { path },
  });
}

/** Durable when it resolves. Call with the home's lock held. */
export function noteDeparture(disk: Disk, home: AgentHome, departure: Departure): Promise<void> {
  return disk.replace(departurePath(home), utf8(`${JSON.stringify(departure)}\n`));
}

/** The agent stays here. */
export function forgetDeparture(disk: Disk, home: AgentHome): Promise<void> {
  return disk.remove(departurePath(home));
}

/** Throws AntsError "home-moved" in a home whose agent moves away or has. */
export async function requireNotMoved(disk: Disk, home: AgentHome): Promise<void> {
  const departure = await readDeparture(disk, home);
  if (departure !== undefined) throw homeMoved(home, departure);
}

/** For what takes the identity over: that is done where the agent lives, or in a home of its own. Throws "home-moved". */
export async function requireNotMovedToRotate(disk: Disk, home: AgentHome): Promise<void> {
  const departure = await readDeparture(disk, home);
  if (departure === undefined) return;
  const { message, details } = homeMoved(home, departure);
  throw new AntsError("home-moved", message, {
    hint: "do it where the agent lives now; if that host is lost, or in a thief's hands: ants recover --home NEW --vault NEW.json, with the words",
    ...(details === undefined ? {} : { details }),
  });
}

/** `hasArrived`: it has been at work where it went, so that nothing can be taken back here. */
export function homeMoved(
  { path, config: { did } }: AgentHome,
  departure: Departure,
  hasArrived = departure.arrived !== undefined,
): AntsError {
  const { state, instance, bundle, atMs } = departure;
  const since = new Date(atMs).toISOString();
  return state === "gone"
    ? new AntsError("home-moved", `${did} moved away from ${path} on ${since}, to the instance ${instance}`, {
        hint: hasArrived
          ? "it has arrived: work with it where it lives now, and once all is well there, remove this home and its vault"
          : "work with it where it lives now; if it never arrived there: ants migrate out --cancel",
        details: { did, ...departure },
      })
    : new AntsError("home-moved", `${did} is moving away from ${path}, since ${since}, and that was cut off`, {
        hint: `finish it with the same request: ants migrate out --request … --bundle ${bundle}; or stay: ants migrate out --cancel`,
        details: { did, ...departure },
      });
}
