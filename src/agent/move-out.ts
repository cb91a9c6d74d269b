import { ageRecipient } from "../../keys/age.js";
import { concat, utf8 } from "../../keys/bytes.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { makeJoinAnswer } from "../../keys/node/join-answer.js";
import { type MoveRequest, sealingRequest } from "../../keys/node/move-request.js";
import type { OpenVault } from "../../keys/node/vault.js";
import type { Disk } from "../../keys/ports.js";
import type { ClientPorts } from "../client/ports.js";
import { CLAIM_KIND } from "../protocol/event.js";
import { prepareArchive } from "./backup/prepare-archive.js";
import { writeArchive } from "./backup/write-archive.js";
import type { AgentHome } from "./home.js";
import { writeBundle } from "./move-bundle.js";
import { type Departure, forgetDeparture, noteDeparture, readDeparture } from "./moved.js";
import type { Agent } from "./open-agent.js";
import { ownEvents } from "./own-events.js";

export interface MoveOutOptions {
  /** Holds the pen; writes nothing more once it has handed over. Close it after. */
  readonly agent: Agent;
  /** The agent's, opened; its file's bytes anew, as they are now. */
  readonly vault: OpenVault;
  readonly vaultBytes: () => Promise<Uint8Array>;
  readonly request: MoveRequest;
  /** Where the bundle goes; outside the home. */
  readonly bundle: string;
  /** Absolute paths that the bundle has not, with the reason: the vault, and targets of backups in the home. */
  readonly exclude: ReadonlyMap<string, string>;
  readonly disk: Disk;
  readonly ports: Pick<ClientPorts, "clock" | "random">;
  readonly signal: AbortSignal;
  readonly onProgress?: (step: MoveOutStep) => void;
}

export type MoveOutStep = "draining" | "packing" | "handing-over";

export interface MovedOut {
  /** Id of the event that a quorum of relays has. */
  readonly handover: string;
  readonly seq: number;
  /** Of the bundle. */
  readonly bytes: number;
  readonly files: number;
}

/** Files may change while they are read. */
const MAX_ATTEMPTS = 3;

/**
 * Moves an agent out of its home. The order is what keeps it from being nowhere or twice: the bundle is whole and on
 * disk first; then the home notes that its agent leaves, so that nothing begins to work in it again; then the hand-over
 * is committed, which is the moment of the move. Cut off before that, the agent is here; after it, it is on its way, and
 * the bundle has all that the new host needs. Run again with the same request, it goes on from wherever it was.
 *
 * Throws "move-arrived" where the new host has been at work already, "backup-changing", what `Agent.handOver` throws
 * ("publish-unknown": run it again), disk errors, the signal's reason.
 */
export async function moveOut(options: MoveOutOptions): Promise<MovedOut> {
  const { agent, request, bundle, disk, ports, signal, onProgress = () => {} } = options;
  const { home } = agent;
  await requireNotArrived(agent, disk);
  onProgress("draining");
  await agent.publisher.drain({ signal });
  onProgress("packing");
  const { bytes, files } = await pack(options);
  const before = await readDeparture(disk, home);
  const departure: Departure = {
    state: "leaving",
    request: request.hash,
    instance: request.instance,
    bundle,
    atMs: ports.clock.nowMs(),
  };
  await noteDeparture(disk, home, departure);
  onProgress("handing-over");
  let handover: { readonly id: string; readonly seq: number };
  try {
    const { id, event } = await agent.handOver({ instance: request.instance, body: { request: request.hash }, signal });
    handover = { id, seq: event.seq };
  } catch (error) {
    // Where it is certain that nothing was signed, the agent stays.
    if (before === undefined && !isAntsError(error, "publish-unknown") && agent.pen.loss === undefined)
      await forgetDeparture(disk, home);
    throw error;
  }
  await noteDeparture(disk, home, { ...departure, state: "gone", handover: handover.id });
  return { handover: handover.id, seq: handover.seq, bytes, files };
}

/**
 * Takes a move back: with the pen held here again, the chain has gone on past the bundle, and no host takes that any
 * more. Throws "move-arrived" where the new host has been at work.
 */
export async function stayHere({ agent, disk }: Pick<MoveOutOptions, "agent" | "disk">): Promise<void> {
  await requireNotArrived(agent, disk);
  await forgetDeparture(disk, agent.home);
}

/**
 * Throws "move-arrived" where the chain on this disk says that the agent has lived elsewhere since it left: what was
 * claimed there is on it. Ask before the pen is claimed (with the chain read from the relays), and after.
 */
export async function requireNotArrived({ home, chain }: Pick<Agent, "home" | "chain">, disk: Disk): Promise<void> {
  const departure = await readDeparture(disk, home);
  if (departure === undefined) return;
  for await (const { body, id } of ownEvents(chain, [CLAIM_KIND], 0, chain.head?.seq ?? -1)) {
    if (body?.instance !== departure.instance) continue;
    await noteDeparture(disk, home, { ...departure, state: "gone", arrived: id });
    throw arrived(home, departure, id);
  }
}

function arrived(home: AgentHome, { instance, atMs }: Departure, claim: string): AntsError {
  const { did } = home.config;
  const since = new Date(atMs).toISOString();
  return new AntsError("move-arrived", `${did} has been at work as instance ${instance} since it left on ${since}`, {
    hint: "work with it there, or have it moved back from there with ants migrate out; if that host is lost: ants backup restore, or ants recover, into a new folder",
    details: { did, instance, claim },
  });
}

async function pack(options: MoveOutOptions): Promise<{ readonly bytes: number; readonly files: number }> {
  const { agent, vault, vaultBytes, request, bundle, exclude, disk, ports, signal } = options;
  const { home } = agent;
  const { did, label } = home.config;
  const { signSeed } = vault.content;
  const identity = concat(...home.identity.operations().flatMap(({ line }) => [line, utf8("\n")]));
  const line = makeJoinAnswer(sealingRequest(request, did), vault, { label, identity });
  // The slot that the new host opens it with is for the bundle only.
  vault.refresh(await vaultBytes());
  for (let attempt = 1; ; attempt++) {
    const { manifest, files } = await prepareArchive({
      home,
      tier: "move",
      recipients: [ageRecipient(request.publicKey)],
      signSeed,
      exclude,
      clock: ports.clock,
      disk,
      signal,
    });
    try {
      const archive = writeArchive({ manifest, files }, signSeed);
      const bytes = await writeBundle(bundle, line.subarray(0, line.length - 1), archive, {
        random: ports.random,
        signal,
      });
      return { bytes, files: manifest.files.length };
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isAntsError(error, "backup-changing")) throw error;
    }
  }
}
