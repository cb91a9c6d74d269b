import { AntsError, isAntsError } from "../../keys/errors.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import { nodeDisk } from "../../keys/node/disk.js";
import { systemClock } from "../../keys/ports.js";
import { AgentHome } from "../agent/home.js";
import { withDeadline } from "../client/deadline.js";
import { IdentityLog } from "../client/identity-log.js";
import { headNamedBy, type LaterEvent, laterEventAt, type NamedHead, type TurnRank } from "../client/later-turn.js";
import { systemPorts } from "../client/ports.js";
import { RelayPool } from "../client/relay-pool.js";
import { surveyIdentity } from "../client/survey.js";
import type { ChainHead } from "../protocol/event.js";
import { isoTime } from "../protocol/iso-time.js";
import { readChain } from "./chain-reading.js";

/** That the agent of a home went on elsewhere, and who says so. */
export interface Displacement {
  /** The newest event of a later turn that was shown; absent where a rotate is known and no claim after it. */
  readonly head?: LaterEvent;
  /** Relays that showed it. */
  readonly relays: readonly string[];
}

export interface DisplacementOptions {
  /** For each relay, in each of at most three rounds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Asks the agent's relays whether somebody else went on as the agent: `faults` + 1 of the newest set show an event of a
 * later turn than the last one of this home, signed by the agent, or the identity has a rotate that this home does not
 * know. Being behind in the same turn is none of that. Needs no key and no lock, and changes nothing. Undefined where it is
 * not so and where too few answered to know: nobody's backups stop because relays are away. Throws what reading the home
 * throws, and the signal's reason.
 */
export async function displacementOf(home: AgentHome, options: DisplacementOptions): Promise<Displacement | undefined> {
  const { did } = home.config;
  const named = new Map<string, NamedHead>();
  const ask = async (urls: readonly string[]) => {
    const asking = urls.filter((url) => !named.has(url));
    const answers = await atEach(asking, options, (url, signal) => headNamedBy(url, did, systemPorts.get, signal));
    for (const [url, answer] of answers) named.set(url, answer);
  };
  const identity = IdentityLog.learnt(did, home.identity.operations());
  await ask(relaysNamed(identity));
  const unknown = [...named].filter(([, { identity: hash }]) => hash !== undefined && !identity.has(hash));
  if (unknown.length > 0) {
    await using pool = new RelayPool(systemPorts);
    const urls = unknown.map(([url]) => url);
    await surveyIdentity(identity, urls, { pool, clock: systemClock, ...options });
    await ask(relaysNamed(identity));
  }
  const { newest } = identity;
  if (newest === undefined) return undefined;
  // Read last: what an instance at work in this very home signed is on its disk before a relay can name it.
  const own = await ownTurn(home.path, identity);
  const { relays, faults } = relaySetOf(newest);
  const heads = relays.flatMap(({ url }) => {
    const head = named.get(url)?.head;
    return head === undefined || own.has(head) ? [] : [[url, head] as const];
  });
  const byUrl = new Map(heads);
  const rotationsOf = (key: string) => identity.rotationsOf(key);
  const shown = await atEach([...byUrl.keys()], options, (url, signal) =>
    laterEventAt({ url, did, head: byUrl.get(url)!, own, rotationsOf }, systemPorts.get, signal),
  );
  const proofs = shown.flatMap(([url, event]) => (event === undefined ? [] : [{ url, event }]));
  if (proofs.length <= faults)
    // An operation needs no quorum of witnesses: nobody can forge it.
    return own.knownRotations < identity.rotations ? { relays: [...named.keys()] } : undefined;
  const { event } = proofs.reduce((a, b) => (b.event.seq > a.event.seq ? b : a));
  return { head: event, relays: proofs.map(({ url }) => url) };
}

/** For people: "the agent went on …". */
export function displacementText({ head, relays }: Displacement): string {
  const by = `(${relays.join(", ")})`;
  if (head === undefined)
    return `the agent's key was replaced elsewhere, and this home does not know the new one ${by}`;
  const { epoch, seq, timeMs, label } = head;
  const who = label === undefined ? "another instance" : `another instance ("${label}")`;
  return `the agent went on elsewhere: ${who} wrote in epoch ${epoch}, up to seq ${seq} on ${isoTime(timeMs) ?? "an unknown day"} ${by}`;
}

/** What stops archives of such a home. */
export function homeDisplaced(home: AgentHome, displacement: Displacement): AntsError {
  const { did } = home.config;
  return new AntsError("home-displaced", `refused: ${displacementText(displacement)}`, {
    hint: "on a host that the agent left, stop the timer; to go on here: ants publish; to archive this home all the same: ants backup create --anyway",
    details: { did, home: home.path, ...displacement },
  });
}

function relaysNamed({ newest }: IdentityLog): string[] {
  return newest === undefined ? [] : newest.op.relays.map(({ url }) => url);
}

interface OwnTurn extends TurnRank {
  readonly seq: number;
  /** Rotates that the home knows of. */
  readonly knownRotations: number;
  /** Whether an event is in the home, on its chain or beside it. */
  readonly has: (head: ChainHead) => boolean;
}

async function ownTurn(path: string, identity: IdentityLog): Promise<OwnTurn> {
  const home = await AgentHome.open(nodeDisk, path);
  const { chain } = await readChain(home);
  await chain.close();
  const { head, tree } = chain;
  return {
    rotations: head === undefined ? 0 : (identity.rotationsOf(head.key) ?? 0),
    epoch: head?.epoch ?? 0,
    seq: head?.seq ?? -1,
    knownRotations: home.identity.rotations,
    has: ({ id, seq }) => tree.find(id, seq) !== undefined,
  };
}

/** What each of some relays answers, all at once; those that fail are passed over. Throws the signal's reason. */
async function atEach<T>(
  urls: readonly string[],
  { timeoutMs, signal }: DisplacementOptions,
  work: (url: string, signal: AbortSignal) => Promise<T>,
): Promise<(readonly [string, T])[]> {
  const late = (url: string) => () => new AntsError("relay-unreachable", `${url}: no answer in time`);
  const answers = urls.map(async (url) => {
    try {
      const answer = await withDeadline(systemClock, timeoutMs, signal, late(url), (within) => work(url, within));
      return [[url, answer] as const];
    } catch (error) {
      if (signal.aborted || !isAntsError(error)) throw error;
      return [];
    }
  });
  return (await Promise.all(answers)).flat();
}
