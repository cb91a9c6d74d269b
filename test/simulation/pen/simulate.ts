import { SimRandom } from "../sim-random.js";
import type { Violation } from "./checker.js";
import { Follower } from "./follower.js";
import type { Host, Instance } from "./instance.js";
import { liar } from "./liar.js";
import { FAULTS, type Fault, Mischief } from "./mischief.js";
import { PenWorld } from "./pen-world.js";
import { forgetSignatures } from "./platform.js";
import { forgetLines } from "./remembered/lines.js";
import type { SimRelay } from "./sim-relay.js";

/** What one seed came to. */
export interface SimReport {
  readonly seed: number;
  readonly shape: string;
  readonly violation?: Violation;
  /** How often things happened, by name. */
  readonly counts: ReadonlyMap<string, number>;
  /** Of the trace; 0 where none was taken. */
  readonly hash: number;
  /** Simulated time. */
  readonly simulatedMs: number;
}

interface RelaySetPlan {
  readonly relays: readonly SimRelay[];
  readonly faults: number;
}

/** What the worlds look like: which relays there are, and through which sets the agent moves. */
const SHAPES = [
  { name: "three relays", relays: 3, faults: 0, sets: ["ABC"], share: 0.25 },
  { name: "three relays, moving", relays: 5, faults: 0, sets: ["ABC", "CDE", "ADE"], share: 0.27 },
  { name: "three relays, moving far", relays: 7, faults: 0, sets: ["ABC", "CDE", "AFG"], share: 0.22 },
  { name: "four relays, one lies", relays: 4, faults: 1, sets: ["ABCD"], share: 0.12 },
  { name: "four relays, one lies, moving", relays: 5, faults: 1, sets: ["ABCD", "ABCE"], share: 0.06 },
  { name: "five relays", relays: 5, faults: 0, sets: ["ABCDE"], share: 0.05 },
  { name: "one relay", relays: 1, faults: 0, sets: ["A"], share: 0.03 },
] as const;

/** How often the last instance is started until it commits. */
const MAX_LAST_STARTS = 5;
/** Ends after which it is started again: somebody else had been promised more. */
const AGAIN: ReadonlySet<string> = new Set(["fenced", "superseded", "fork", "pen-lost", "no-quorum", "foreign-event"]);

/** Faults that only some runs have: they change what may be expected. */
const RARE: ReadonlyMap<Fault, number> = new Map([
  ["theft", 0.2],
  ["rotate", 0.2],
  ["interrupt", 0.3],
  ["clone-process", 0.3],
  ["relay-rebuild", 0.4],
  ["disk-full", 0.3],
]);

/** Runs one seed from its first event to its last. The same seed always gives the same run. */
export async function simulate(seed: number, trace?: (line: string) => void): Promise<SimReport> {
  forgetLines();
  forgetSignatures();
  // The plan has a source of its own, so that neighbouring seeds have nothing in common.
  const random = new SimRandom(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
  for (let i = 0; i < 4; i++) random.next();
  const shape = shapeOf(random.next());
  const world = new PenWorld({
    seed: Math.floor(random.next() * 2 ** 32),
    relays: shape.relays,
    named: shape.sets[0].length,
    faults: shape.faults,
    trace,
  });
  const run = new Run(world, shape, random);
  await world.clock.run(run.run(), 3_600_000);
  const { violation, counts } = world.checker;
  return {
    seed,
    shape: shape.name,
    ...(violation === undefined ? {} : { violation }),
    counts,
    hash: trace === undefined ? 0 : world.hash >>> 0,
    simulatedMs: world.clock.monotonicMs(),
  };
}

function shapeOf(drawn: number): (typeof SHAPES)[number] {
  let left = drawn;
  for (const shape of SHAPES) {
    left -= shape.share;
    if (left < 0) return shape;
  }
  return SHAPES[0];
}

class Run {
  readonly #world: PenWorld;
  readonly #random: SimRandom;
  readonly #sets: readonly RelaySetPlan[];
  readonly #mischief: Mischief;
  readonly #durationMs: number;
  readonly #paceMs: number;
  /** Some runs are watched by somebody else. */
  readonly #follower: Follower | undefined;
  /** Relays that stay away when the faults stop. */
  readonly #lost = new Set<SimRelay>();
  /** The owner did not have to take other relays, which nobody who followed may know of. */
  #isFound = true;

  constructor(world: PenWorld, shape: (typeof SHAPES)[number], random: SimRandom) {
    this.#world = world;
    this.#random = random;
    const { relays, checker } = world;
    this.#sets = shape.sets.map((names) => ({
      relays: [...names].map((name) => relays.find((relay) => relay.name === name)!),
      faults: shape.faults,
    }));
    if (shape.faults > 0) {
      // In every set the same one lies.
      const inAll = relays.filter((relay) => this.#sets.every((set) => set.relays.includes(relay)));
      world.pick(inAll).lie = liar(random, world.genesis, 0.2 + random.next() * 0.7);
      checker.count("a relay lies");
    }
    const faults = FAULTS.filter((fault) => random.next() < (RARE.get(fault) ?? 0.75));
    const rebuilds = shape.faults > 0 || shape.relays === 1 ? 0 : random.next() < 0.6 ? 1 : 3;
    this.#mischief = new Mischief(world, faults, this.#sets, rebuilds);
    this.#durationMs = [5_000, 8_000, 14_000, 26_000][Math.floor(random.next() * 4)]!;
    this.#paceMs = 500 + random.next() * 2_500;
    this.#follower = random.next() < 0.2 ? new Follower(world) : undefined;
    world.maxThinkMs = 1_000 + random.next() * 5_000;
    world.wire.maxDelayMs = random.next() < 0.7 ? 20 : 400;
  }

  async run(): Promise<void> {
    const { clock, relays, random } = this.#world;
    await Promise.all(relays.map((relay) => relay.start()));
    this.#world.start(this.#world.addHost({ madeGenesis: true }));
    this.#follower?.start();
    if (random.next() < 0.3) {
      const [first] = this.#world.hosts;
      this.#world.start(this.#world.addHost({ disk: first!.disk.copy(), madeGenesis: true }));
    }
    while (clock.monotonicMs() < this.#durationMs && !this.#world.isOver) {
      await clock.sleep(-Math.log(1 - this.#random.next()) * this.#paceMs);
      this.#watch();
      this.#mischief.act();
      this.#mischief.restart();
    }
    this.#mischief.isOver = true;
    if (!this.#world.isOver) await (this.#random.next() < 0.03 ? this.#deactivate() : this.#settle());
    for (const instance of this.#world.alive) this.#world.kill(instance);
    await this.#follower?.close();
    this.#summarise();
  }

  /** Two instances that claim or hold at the same time. */
  #watch(): void {
    const { alive, checker } = this.#world;
    const claimants = alive.filter(({ state }) => state === "claiming" || state === "holding");
    if (new Set(claimants.map(({ id }) => id)).size > 1) checker.count("two claimants");
  }

  /** The owner ends the identity: nobody may hold the pen any more, and nobody can claim it. */
  async #deactivate(): Promise<void> {
    const { clock, wire, relays, hosts, checker, trace } = this.#world;
    trace(() => "--- the owner deactivates the agent");
    wire.unblock();
    await Promise.all(relays.map((relay) => (relay.isUp ? undefined : relay.start())));
    this.#world.deactivate();
    checker.count("deactivated");
    await clock.sleep(10_000);
    const commits = checker.counts.get("commits");
    const host = this.#world.pick(hosts);
    if (host.running !== undefined) this.#world.kill(host.running);
    const last = this.#world.start(host, { acquire: { takeover: true, timeoutMs: 20_000 } });
    await this.#until(() => last.state === "ended", 60_000);
    if (last.hasHeld || checker.counts.get("commits") !== commits) {
      checker.fail("the-end-is-the-end", "somebody held the pen after the agent was deactivated");
    }
  }

  /** The faults stop: somebody must be able to claim, to commit, and to bring every relay up to date. */
  async #settle(): Promise<void> {
    const { clock, wire, relays, hosts, checker, trace } = this.#world;
    trace(() => "--- the faults stop");
    wire.unblock();
    wire.maxDelayMs = 20;
    for (const { disk } of hosts) disk.failing = undefined;
    await Promise.all(relays.map((relay) => (relay.isUp ? undefined : relay.start())));
    if (this.#random.next() < 0.3) this.#loseRelays();
    for (const { process } of this.#world.alive) process.resume();
    await clock.sleep(4_000);
    if (this.#world.isOver) return;
    for (const instance of this.#world.alive) this.#world.kill(instance);
    let host = this.#world.pick(checker.trunk.length === 0 ? hosts.filter(({ madeGenesis }) => madeGenesis) : hosts);
    // A clone of a process may have forked its epoch, and which branch was committed is known by all relays together.
    const isUndecided = checker.counts.has("clone-process") && !this.#world.hasEveryStream();
    // Relays may be gone for good that the agent was moving to.
    const isStranded = !this.#world.hasStreams((relay) => !this.#lost.has(relay));
    if (this.#mischief.isStolen || isUndecided || isStranded) {
      const { relays, faults } = this.#mischief.set;
      const present = relays.some((relay) => this.#lost.has(relay)) ? this.#presentRelays() : relays;
      this.#isFound = present === relays;
      host = this.#world.rotate(present, present === relays ? faults : 0, this.#world.highestChain().length);
      await clock.sleep(1_000);
    }
    if (host.seed !== this.#world.seed) this.#world.bringVault(host);
    if (await this.#reachEveryRelay(host)) await this.#readToTheEnd();
  }

  #presentRelays(): readonly SimRelay[] {
    return this.#world.relays.filter((relay) => !this.#lost.has(relay) && relay.lie === undefined).slice(0, 3);
  }

  /** Whoever follows the agent gets to what is committed, at relays that tell the truth. */
  async #readToTheEnd(): Promise<void> {
    const { checker } = this.#world;
    const follower = this.#follower;
    if (follower === undefined || !this.#isFound || this.#isFollowingHard) return;
    const isThere = () => !follower.isReading || follower.has(checker.trunk.at(-3)!);
    await this.#until(isThere, 60_000);
    if (!isThere() && !this.#world.isOver)
      checker.fail("readers-get-there", "a reader never gets to the end of the chain");
    if (follower.isReading) checker.count("read: to the end");
  }

  /**
   * A relay that lies may keep everything from a reader, a reader waits for one that was set up anew to be named, and where
   * two updates clash it stays with the relays of the one that it met first until the owner settles it.
   */
  get #isFollowingHard(): boolean {
    const { checker, relays } = this.#world;
    if (relays.some(({ lie }) => lie !== undefined) || checker.counts.has("relay-rebuild")) return true;
    return this.#world.knownIdentity().resolution.status === "contested";
  }

  /** Some relays never come back, as many as every set can do without. */
  #loseRelays(): void {
    const { random, checker, trace } = this.#world;
    // Which branch of a fork was committed needs every relay; a liar is the one that a set can do without.
    if (checker.counts.has("clone-process") || this.#mischief.isStolen) return;
    const relays = this.#world.relays.filter(({ lie }) => lie === undefined);
    for (let i = relays.length; i > 0; i--) {
      const [relay] = relays.splice(Math.floor(random.next() * i), 1);
      this.#lost.add(relay!);
      if (this.#world.hasStreams((each) => !this.#lost.has(each) && each.lie === undefined)) continue;
      this.#lost.delete(relay!);
    }
    for (const relay of this.#lost) relay.crash();
    if (this.#lost.size > 0) checker.count("relays gone for good", this.#lost.size);
    trace(() => `gone for good: ${[...this.#lost].map(({ name }) => name).join(" ")}`);
  }

  /**
   * The last holder brings every relay up to date. A relay that promised more to a start that is gone takes nothing until
   * the next claim (docs/decisions/0012), and with a liar's word it ends the turn: then the agent is started again.
   */
  async #reachEveryRelay(host: Host): Promise<boolean> {
    const { checker } = this.#world;
    for (let attempt = 0; attempt < MAX_LAST_STARTS; attempt++) {
      const last = await this.#lastHolder(host);
      if (last === undefined) return false;
      await this.#until(() => this.#isEverywhere(last) || last.state === "ended", 60_000);
      if (this.#world.isOver) return false;
      if (this.#isEverywhere(last)) return true;
      if (last.state === "ended" ? !this.#mayStartAgain(last) : !this.#hasStrayPromise(last)) break;
      checker.count("claimed anew for the last relay");
      this.#world.kill(last);
    }
    checker.fail("every-relay-follows", "a relay never gets to the end of the chain");
    return false;
  }

  #hasStrayPromise({ pen, context }: Instance): boolean {
    const { did } = this.#world;
    return context.identity.newest!.op.relays.some(
      ({ url }) => (this.#world.relayAt(url)?.promised(did) ?? 0) > pen!.epoch,
    );
  }

  /** Starts the agent, again where a relay that promised more ends its turn, until it commits. */
  async #lastHolder(host: Host): Promise<Instance | undefined> {
    const { checker } = this.#world;
    let outcome = "";
    for (let attempt = 0; attempt < MAX_LAST_STARTS; attempt++) {
      const acquire = { takeover: true, timeoutMs: 120_000 };
      const last = this.#world.start(host, { acquire, maxThinkMs: 400 });
      await this.#until(() => last.state === "holding" || last.state === "ended", 180_000);
      const from = checker.trunk.length;
      await this.#until(() => checker.trunk.length >= from + 2 || last.state === "ended", 60_000);
      if (this.#world.isOver) return undefined;
      if (checker.trunk.length >= from + 2) return last;
      outcome = `${last.name} is ${last.state}: ${last.outcome}`;
      if (last.state === "ended" && !this.#mayStartAgain(last)) break;
      this.#world.kill(last);
    }
    checker.fail("somebody-can-claim", `no fault any more, and ${outcome}`);
    return undefined;
  }

  #mayStartAgain({ outcome }: Instance): boolean {
    // With an honest relay that promised more, a liar's word is enough to end a turn, and it may be the reason that is told.
    const isLie = outcome === "key-not-live" && this.#world.relays.some(({ lie }) => lie !== undefined);
    return AGAIN.has(outcome) || isLie;
  }

  /** Every honest relay of the newest set, as it is named, has come to the committed end. */
  #isEverywhere(last: Instance): boolean {
    const { did, checker } = this.#world;
    const { trunk } = checker;
    return last.context.identity.newest!.op.relays.every(({ url, stream }) => {
      const relay = this.#world.relayAt(url)!;
      if (relay.lie !== undefined || relay.medium.stream !== stream || this.#lost.has(relay)) return true;
      const head = relay.head(did);
      return (
        head !== undefined && head.seq >= trunk.length - 3 && relay.chain(did).some(({ id }) => id === trunk.at(-3))
      );
    });
  }

  async #until(isSo: () => boolean, maxMs: number): Promise<void> {
    const { clock } = this.#world;
    const endMs = clock.monotonicMs() + maxMs;
    while (!isSo() && !this.#world.isOver && clock.monotonicMs() < endMs) await clock.sleep(200);
  }

  #summarise(): void {
    const { checker, relays, instances } = this.#world;
    const forks = relays.reduce((sum, relay) => sum + relay.forks, 0);
    if (forks > 0) checker.count("forks proven", forks);
    if (forks > 0 && !checker.counts.has("theft") && !checker.counts.has("clone-process")) {
      checker.fail(
        "forks-have-a-reason",
        "relays have proof of a fork, and nobody copied the key or a running process",
      );
    }
    const fenced = instances.filter(({ hasHeld, pen }) => hasHeld && pen?.loss?.reason === "fenced");
    if (fenced.length > 0) checker.count("fenced writer", fenced.length);
  }
}
