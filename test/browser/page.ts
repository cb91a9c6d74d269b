import {
  acquirePen,
  ChainStore,
  createBatch,
  follow,
  IdentityLog,
  Outbox,
  Publisher,
  parseEvent,
  RelayPool,
  Resolver,
  systemPorts,
  verifyEventSignature,
} from "ants-agent";
import { createIdentity, ed25519Backends, generateSeed, hex, publicKeyFromSeed } from "ants-agent/keys";
import { SimDisk } from "../simulation/sim-disk.js";

/** The program that the browser test runs inside of a page: everything comes through the doors of the package. */
export interface PageProgram {
  /** Signs one event, verifies it, and verifies every line that differs from it by one flipped bit. */
  signAndVerify(): { did: string; backends: string[]; verified: boolean; flips: number; accepted: number };
  /** Founds an agent on a relay, publishes notes at quorum, and reads the relay until it has them all. */
  publishAndFollow(
    relay: { url: string; stream: string },
    notes: number,
  ): Promise<{ did: string; published: string[]; followed: string[]; problems: string[] }>;
  /** What becomes of a name, and the answers of the places that were asked. */
  resolve(name: string): Promise<{ status: string; did?: string; answers: string[] }>;
}

function found(relays: { url: string; stream: string }[]) {
  const seed = generateSeed();
  const identity = createIdentity({
    signSeeds: [seed],
    agree: publicKeyFromSeed(generateSeed()),
    recoveryKeys: [publicKeyFromSeed(generateSeed())],
    escrow: publicKeyFromSeed(generateSeed()),
    relays,
    timeMs: Date.now(),
  });
  return { seed, identity };
}

function isGood(line: Uint8Array): boolean {
  try {
    return verifyEventSignature(parseEvent(line));
  } catch {
    return false;
  }
}

const program: PageProgram = {
  signAndVerify() {
    const { seed, identity } = found([]);
    const body = { instance: "0123456789abcdef", label: "a page", identity: identity.hash };
    const drafts = [{ kind: "ants.claim", body, timeMs: Date.now() }];
    const [event] = createBatch({ did: identity.did, seed, epoch: 1, drafts });
    const line = new TextEncoder().encode(event!.line);
    let accepted = 0;
    for (let at = 0; at < line.length; at++) {
      const flipped = line.slice();
      flipped[at]! ^= 1 << (at % 8);
      if (isGood(flipped)) accepted += 1;
    }
    const backends = ed25519Backends();
    return { did: identity.did, backends, verified: isGood(line), flips: line.length, accepted };
  },

  async publishAndFollow(relay, notes) {
    const { seed, identity } = found([relay]);
    const { did } = identity;
    const disk = new SimDisk();
    const log = new IdentityLog(did, [identity.line]);
    const chain = await ChainStore.open({ disk, folder: "chain", did, keys: log });
    const outbox = await Outbox.open(disk, "outbox", systemPorts.clock);
    const relays = new RelayPool(systemPorts);
    const pen = await acquirePen({
      did,
      seed,
      instance: hex(systemPorts.random.bytes(8)),
      label: "a page",
      identity: log,
      chain,
      outbox,
      relays,
      ports: systemPorts,
      earlierInstances: new Set(),
      madeGenesis: true,
      identityGrew: () => Promise.resolve(),
    });
    const { clock, random } = systemPorts;
    const publisher = new Publisher({ did, seed, pen, clock, random });
    const drafts = Array.from({ length: notes }, (_, i) => ({ kind: "note", body: { i } }));
    const { events } = await publisher.publish(drafts);

    const followed: string[] = [];
    const problems: string[] = [];
    for await (const item of follow({ relays: [relay.url], filter: { dids: [did] } })) {
      if (item.type === "event" && item.event.event.kind === "note") followed.push(item.event.id);
      if (item.type === "problem") problems.push(item.code);
      if (followed.length === notes) break;
    }
    await publisher.close();
    await pen.release();
    await relays.close();
    await outbox.close();
    await chain.close();
    return { did, published: events.map(({ id }) => id), followed, problems };
  },

  async resolve(name) {
    const result = await new Resolver({ relays: [], allowPrivate: true }, systemPorts).resolve(name);
    const answers = result.asked.map(({ place, answer }) => `${place}: ${answer}`);
    return { status: result.status, answers, ...("did" in result ? { did: result.did } : {}) };
  },
};

Object.assign(globalThis, { ants: program });
