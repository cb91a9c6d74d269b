import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { DrillBed } from "./bed.js";
import { Counter, type CounterOptions } from "./counter.js";
import { COUNT_KIND } from "./counting.js";
import type { DrillHost } from "./drill-host.js";
import { foundAgent, type ThrowAwayAgent } from "./found.js";
import { type KeyFound, type SearchedDisk, searchDisks } from "./key-search.js";

/** Something that has to be so, and whether it was. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  /** What was found. */
  readonly found: string;
}

/** What happened, in seconds since the scenario began. */
export interface Moment {
  readonly seconds: number;
  readonly what: string;
}

/** A clock is off by this much: time decides nothing. */
const CLOCK_MS = { A: -7 * 60_000, B: 11 * 60_000 } as const;

/** One scenario under way: a bed, an agent that is founded on host A, and what was seen and checked. */
export class Stage {
  readonly bed: DrillBed;
  readonly folder: string;
  readonly moments: Moment[] = [];
  readonly checks: Check[] = [];
  readonly #onMoment: (moment: Moment) => void;
  readonly #passphrase = randomBytes(18).toString("base64");
  readonly #started = performance.now();
  readonly #counters: Counter[] = [];
  readonly #searched = { files: 0, bytes: 0, found: [] as KeyFound[] };
  #agent: ThrowAwayAgent | undefined;
  #hosts: { readonly a: DrillHost; readonly b: DrillHost } | undefined;

  constructor(bed: DrillBed, name: string, onMoment: (moment: Moment) => void) {
    this.bed = bed;
    this.folder = join(bed.folder, name);
    this.#onMoment = onMoment;
  }

  /** Makes hosts A and B, and founds the agent on A. */
  async set(): Promise<ThrowAwayAgent> {
    mkdirSync(this.folder, { mode: 0o711 });
    const [a, b] = [await this.#host("A"), await this.#host("B")];
    this.#hosts = { a, b };
    this.#agent = await foundAgent(a, this.bed.relays, this.words, this.#passphrase);
    this.tell(`an agent is founded on host A: ${this.did}`);
    return this.#agent;
  }

  get a(): DrillHost {
    return this.#hosts!.a;
  }

  get b(): DrillHost {
    return this.#hosts!.b;
  }

  get agent(): ThrowAwayAgent {
    return this.#agent!;
  }

  get did(): string {
    return this.agent.did;
  }

  /** The file with the recovery words, on neither host. */
  get words(): string {
    return join(this.folder, "owner", "words");
  }

  /** Gives the words to a host for a while, in a file of its own. */
  async lendWords(host: DrillHost): Promise<string> {
    await host.put("words", await readFile(this.words));
    return join(host.folder, "words");
  }

  get seconds(): number {
    return Math.round((performance.now() - this.#started) / 10) / 100;
  }

  tell(what: string): void {
    const moment = { seconds: this.seconds, what };
    this.moments.push(moment);
    this.#onMoment(moment);
  }

  /** Notes something that has to be so. */
  check(what: string, ok: boolean, found: string): void {
    this.checks.push({ what, ok, found });
  }

  /**
   * Makes a backup of an agent at work, on a clock that is off by `ageMs`, and puts the store out of reach. Resolves with
   * the folder that the archive is in, to be lent to another host.
   */
  async backUp(host: DrillHost, tier: "hot" | "cold", ageMs: number): Promise<string> {
    const store = join(this.folder, "store");
    mkdirSync(store, { recursive: true });
    const there = await host.lend(store);
    const { name } = await host.run<{ name: string }>(["backup", "create", "--tier", tier, "--target", there], {
      clockMs: host.clockMs + ageMs,
    });
    await host.takeBack(store);
    this.tell(`a ${tier} backup of A is in store: ${name}`);
    return store;
  }

  /** A host's disk is gone; before that it is searched for keys in clear. */
  async lose(host: DrillHost): Promise<void> {
    this.#noteSearch(await host.search(this.agent.keys));
    await host.erase();
  }

  /** {@link conclude} says what came of all searches. */
  #noteSearch({ files, bytes, found }: SearchedDisk): void {
    this.#searched.files += files;
    this.#searched.bytes += bytes;
    this.#searched.found.push(...found);
  }

  /** Lets the agent count on a host. */
  count(host: DrillHost, options: Omit<CounterOptions, "receiver"> = {}): Counter {
    const counter = new Counter(host, { receiver: this.bed.receiver.url, ...options });
    this.#counters.push(counter);
    return counter;
  }

  /** B has the vault, as a standby that was prepared (or a person, with ants vault export), and A's files as of now. */
  async copyToB(): Promise<void> {
    await this.b.copyFrom(this.a, "ants", "vault.json");
    this.tell("host B has a copy of A's home, as it is now, and a vault");
  }

  /**
   * What has to be so at the end of every scenario: the receiver has every number exactly once, in order; the chain on
   * the last host has every number once, and every event that any host was told is committed; no host counted on.
   */
  async conclude(last: DrillHost): Promise<void> {
    const calls = await this.bed.receiver.calls(this.did);
    const numbers = calls.filter(({ again }) => !again).map(({ n }) => n);
    const wrong = numbers.findIndex((n, index) => n !== index + 1);
    const again = calls.length - numbers.length;
    this.check(
      "the receiver has every number exactly once, in order",
      wrong === -1 && numbers.length > 0,
      wrong === -1 ? `1 to ${numbers.length}` : `number ${numbers[wrong]} where ${wrong + 1} was due`,
    );
    const allowed = this.allowedRepeats;
    this.check(
      allowed === 0
        ? "the receiver was called once per number"
        : `the receiver was asked again for at most ${allowed} number that was under way, and knew its key`,
      again <= allowed,
      `${calls.length} calls, ${again} of them for a key that it had`,
    );
    const events = await chainOf(last);
    const counted = events.filter(({ kind }) => kind === COUNT_KIND).map(({ body }) => body?.n);
    const gap = counted.findIndex((n, index) => n !== index + 1);
    this.check(
      "the chain counts on without a gap",
      gap === -1 && counted.length === numbers.length,
      `${counted.length} numbers on the chain of ${events.length} events`,
    );
    const ids = new Set(events.map(({ id }) => id));
    const acknowledged = this.#counters.flatMap(({ counted }) => counted.map(({ id }) => id));
    const missing = acknowledged.filter((id) => !ids.has(id));
    this.check(
      "every event that was acknowledged to any host is on the chain",
      missing.length === 0,
      missing.length === 0 ? `${acknowledged.length} events` : `${missing.length} are missing: ${missing[0]}`,
    );
    this.#noteSearch(await searchDisks([this.folder, ...this.bed.disks], this.agent.keys));
    for (const host of [this.a, this.b])
      if (!host.folder.startsWith(this.folder)) this.#noteSearch(await host.search(this.agent.keys));
    const { files, bytes, found } = this.#searched;
    this.check(
      "no key lies on any disk in clear",
      found.length === 0 && files > 0,
      found.length === 0
        ? `${files} files with ${bytes} bytes were searched`
        : found.map(({ key, where }) => `the ${key} in ${where}`).join(", "),
    );
    const written = JSON.stringify(events);
    const places = [this.a.folder, this.b.folder].filter((folder) => written.includes(folder));
    // A host's name may be so short that it is in many a key.
    if (new Set(written.match(/[\w.-]+/g)).has(hostname())) places.push(hostname());
    this.check(
      "no event names a host or a folder of one",
      places.length === 0,
      places.length === 0 ? `${events.length} events` : places.join(", "),
    );
    const [first] = events;
    this.check("it is the same agent", first?.did === this.did, first?.did ?? "nobody");
  }

  /** How many numbers may be asked for twice: a call that was under way in a process that was paused cannot be stopped. */
  allowedRepeats = 0;

  /** Ends what a scenario left running. */
  async clear(): Promise<void> {
    for (const counter of this.#counters) {
      counter.signal("SIGCONT");
      await counter.kill().catch(() => undefined);
    }
  }

  async #host(name: "A" | "B"): Promise<DrillHost> {
    const { network, relays } = this.bed;
    const addresses = relays.map(({ address }) => address);
    const setting = { folder: join(this.folder, name), passphrase: this.#passphrase, clockMs: CLOCK_MS[name] };
    return network.host(name, addresses, setting);
  }
}

interface ChainEvent {
  readonly id: string;
  readonly did: string;
  readonly kind: string;
  readonly body?: { readonly n?: number };
}

/** The chain in a host's home. */
async function chainOf(host: DrillHost): Promise<ChainEvent[]> {
  const events: ChainEvent[] = [];
  const child = host.start(["log", "cat", "--json"], (line) => events.push(JSON.parse(line) as ChainEvent));
  child.endInput();
  await child.expectExit(0);
  return events;
}
