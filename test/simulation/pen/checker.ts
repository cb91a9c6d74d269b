import type { VerifiedFrame } from "../../../relay/verified-frame.js";
import type { Pen } from "../../../src/client/pen.js";
import { CLAIM_KIND, type Event, type ParsedEvent } from "../../../src/protocol/event.js";
import type { Instance } from "./instance.js";
import type { RelayWitness, SimRelay } from "./sim-relay.js";

/** The first thing that must never happen, and did. */
export interface Violation {
  /** A stable name of the rule. */
  readonly rule: string;
  readonly message: string;
}

/** What happened under one generation of sign keys: a rotate begins the next. */
interface Era {
  /** The committed chain, by seq. */
  readonly trunk: string[];
  /** By seq of the trunk: in which epoch it was committed first. */
  readonly committedIn: number[];
  /** The number of the last step whose intent is committed. */
  step: number;
  /** Which instance (by its id, clones of a running process share one) committed in an epoch. */
  readonly owners: Map<number, string>;
  /** By `epoch/seq`: what honest instances signed there. */
  readonly signed: Map<string, { readonly id: string; readonly instance: Instance }>;
  /** Which instance had which effect. */
  readonly effects: Map<number, string>;
  /** Somebody else has its key: nothing is promised of it any more but that a rotate ends it. */
  isStolen: boolean;
  /** How long the trunk was when a rotate ended it; undefined while none did. */
  endedAt: number | undefined;
}

/**
 * The invariants (docs/simulation.md), checked whenever something happens that could break one. The first violation is
 * kept; the run ends there.
 */
export class Checker implements RelayWitness {
  violation: Violation | undefined;
  readonly counts = new Map<string, number>();
  readonly #eras: Era[] = [];
  /** By event id: the number that an intent begins. */
  readonly #intents = new Map<string, number>();
  /** By sign key. */
  readonly #eraOf = new Map<string, number>();
  /** By stream and key: the highest epoch that a relay granted, and to which line. */
  readonly #grants = new Map<string, { readonly epoch: number; readonly id: string }>();
  /** By promise line: the newest operation that its sender knew when it first sent it. */
  readonly askedUnder = new Map<string, string>();
  readonly #trace: (text: () => string) => void;
  readonly #relayAt: (url: string) => SimRelay | undefined;

  constructor(relayAt: (url: string) => SimRelay | undefined, trace: (text: () => string) => void) {
    this.#relayAt = relayAt;
    this.#trace = trace;
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  fail(rule: string, message: string): void {
    if (this.violation !== undefined) return;
    this.violation = { rule, message };
    this.#trace(() => `VIOLATION of ${rule}: ${message}`);
  }

  /** A new generation of keys; its chain goes on after `anchor`, the ids from seq 0 on. */
  beginEra(key: string, anchor: readonly string[]): void {
    const ended = this.#eras.at(-1);
    if (ended !== undefined) ended.endedAt = ended.trunk.length;
    this.#eraOf.set(key, this.#eras.length);
    this.#eras.push({
      trunk: [...anchor],
      committedIn: anchor.map(() => 0),
      step: Math.max(0, ...anchor.map((id) => this.#intents.get(id) ?? 0)),
      owners: new Map(),
      signed: new Map(),
      effects: new Map(),
      isStolen: false,
      endedAt: undefined,
    });
  }

  steal(): void {
    this.#eras.at(-1)!.isStolen = true;
  }

  /** The committed chain of the present generation. */
  get trunk(): readonly string[] {
    return this.#eras.at(-1)!.trunk;
  }

  /** Whether something is among these events that was committed, and that nothing may put aside. */
  losesCommitted(ids: readonly string[]): boolean {
    // What a rotate drops, and what happens with a stolen key, is the owner's to say.
    return this.#eras.length === 1 && !this.#eras[0]!.isStolen && ids.some((id) => this.trunk.includes(id));
  }

  /** An instance hands events that it signed to its chain. */
  signed(instance: Instance, events: readonly ParsedEvent[]): void {
    const era = this.#eraFor(instance);
    for (const { id, event } of events) {
      this.#trace(() => `${instance.name} signs ${event.kind} ${event.epoch}/${event.seq} ${id.slice(0, 6)}`);
      const { n, phase } = (event.body ?? {}) as { n?: number; phase?: string };
      if (event.kind === "step" && phase === "intent") this.#intents.set(id, n!);
      if (event.kind === CLAIM_KIND) this.#claimed(instance, event);
      const place = `${event.epoch}/${event.seq}`;
      const before = era.signed.get(place);
      // Clones of a running process don't know of each other; one process knows what it signed.
      const isClone = before !== undefined && before.instance !== instance && before.instance.id === instance.id;
      if (before === undefined) era.signed.set(place, { id, instance });
      else if (before.id !== id && !era.isStolen && !isClone) {
        this.fail("one-signature-a-place", `${before.instance.name} and ${instance.name} both signed ${place}`);
      }
    }
  }

  /** An instance counts its chain up to a seq as committed. */
  committed(instance: Instance, pen: Pen, seq: number): void {
    const era = this.#eraFor(instance);
    const { tree } = instance.context.chain;
    const last = tree.chainAt(seq);
    if (last === undefined) {
      this.fail("committed-is-known", `${instance.name} counts seq ${seq} as committed and does not have it`);
      return;
    }
    this.count("commits");
    this.#trace(() => `${instance.name} counts ${last.epoch}/${seq} ${last.id.slice(0, 6)} as committed`);
    if (last.epoch !== pen.epoch) {
      this.fail("committed-in-own-epoch", `${instance.name} holds epoch ${pen.epoch} and commits one of ${last.epoch}`);
    }
    this.#requireStored(instance, pen, last.id, seq);
    if (era.isStolen) return;
    const path: string[] = [];
    for (let at = seq; at >= 0; at--) {
      const { id } = tree.chainAt(at)!;
      if (era.trunk[at] === id) break;
      if (era.trunk[at] !== undefined) {
        const message = `${instance.name} committed ${last.epoch}/${seq}, and the committed event at seq ${at} is not on its chain`;
        this.fail("committed-is-for-ever", message);
        return;
      }
      path.push(id);
    }
    for (const id of path.reverse()) {
      era.trunk.push(id);
      era.committedIn.push(pen.epoch);
      this.#stepCommitted(era, instance, id);
    }
    const owner = era.owners.get(pen.epoch);
    if (owner === undefined) era.owners.set(pen.epoch, instance.id);
    else if (owner !== instance.id) {
      this.fail("one-writer-an-epoch", `${instance.name} commits in epoch ${pen.epoch}, in which another did`);
    }
  }

  /** An instance has an effect on the world, after `pen.check()`, for an intent of its chain. */
  effect(instance: Instance, intent: { readonly id: string; readonly seq: number }, number: number): void {
    this.count("effects");
    this.#trace(() => `${instance.name} has its effect number ${number}`);
    const era = this.#eraFor(instance);
    if (era.isStolen) return;
    if (era.trunk[intent.seq] !== intent.id) {
      this.fail("no-effect-without-intent", `${instance.name} acts on intent ${intent.id}, which is not committed`);
    }
    const before = era.effects.get(number);
    if (before !== undefined && before !== instance.id) {
      this.fail("nothing-done-twice", `${instance.name} has effect number ${number}, which another instance had`);
    }
    era.effects.set(number, instance.id);
  }

  /** A client hands lines to its socket. `isDurable`: whether a line is on its own disk. */
  sent(instance: Instance, lines: readonly string[], isDurable: (line: string) => boolean): void {
    for (const line of lines) {
      if (line.includes('"type":"event"') && !isDurable(line)) {
        this.fail("on-disk-before-sent", `${instance.name} sent an event that is not on its own disk: ${line}`);
      }
    }
  }

  granted(relay: SimRelay, { id, epoch, key }: { id: string; epoch: number; key: string }): void {
    this.count("promises");
    this.#trace(() => `${relay.name} grants epoch ${epoch} (line ${id.slice(0, 6)})`);
    if (relay.lie !== undefined) return;
    if (!relay.has(id))
      this.fail("acknowledged-is-durable", `${relay.name} granted epoch ${epoch}, which a crash takes back`);
    const place = `${relay.medium.stream} ${this.#eraOf.get(key) ?? key}`;
    const before = this.#grants.get(place);
    if (before !== undefined && (epoch < before.epoch || (epoch === before.epoch && id !== before.id))) {
      this.fail("one-grant-an-epoch", `${relay.name} granted epoch ${before.epoch}, and then ${epoch} to another line`);
    }
    this.#grants.set(place, { epoch, id });
    const operation = this.askedUnder.get(id);
    if (operation !== undefined && !relay.has(operation)) {
      this.fail("promise-brings-identity", `${relay.name} granted epoch ${epoch} without the asker's newest operation`);
    }
  }

  took(relay: SimRelay, frame: VerifiedFrame, at: readonly number[], stated: number | undefined, promised: number) {
    const { name } = relay;
    this.#trace(() => `${name} took ${at.length} of ${frame.entries.length} entries, stated epoch ${stated ?? "none"}`);
    if (relay.lie !== undefined || at.length === 0) return;
    if (stated !== undefined && stated < promised && frame.entries.some(({ type }) => type === "event")) {
      this.fail("fence-first", `${name} promised epoch ${promised} and took a frame that states ${stated}`);
    }
    for (const { id } of frame.entries.slice(0, at.length)) {
      if (!relay.has(id))
        this.fail("acknowledged-is-durable", `${name} acknowledged ${id.slice(0, 6)}, which a crash takes`);
    }
  }

  refused(relay: SimRelay, code: string): void {
    this.count(`refused ${code}`);
    this.#trace(() => `${relay.name} refuses: ${code}`);
  }

  /**
   * What was committed in the turns before a claim's is on the chain that it goes on with. Once a rotate is out, relays that
   * have it forget what they promised the old keys, and take what leads to the anchor: that is on the chain of the new ones,
   * and a claim by the old ones, which may not know of it, is void.
   */
  #claimed(instance: Instance, { epoch, seq, prev }: Event): void {
    const era = this.#eraFor(instance);
    if (era.isStolen) return;
    const { tree } = instance.context.chain;
    const known = era.committedIn.slice(0, era.endedAt).findLastIndex((turn) => turn < epoch);
    if (known < 0) return;
    let at = prev === undefined ? undefined : tree.find(prev, seq - 1);
    while (at !== undefined && at.seq > known) at = tree.before(at);
    if (at?.id === era.trunk[known]) return;
    this.fail("claims-go-on", `${instance.name} claims epoch ${epoch} on a chain without the committed seq ${known}`);
  }

  /** Steps are counted from 1, and none is left out or begun twice. */
  #stepCommitted(era: Era, { name }: Instance, id: string): void {
    const n = this.#intents.get(id);
    if (n === undefined) return;
    if (n !== era.step + 1) this.fail("steps-in-order", `${name} begins step ${n}, and the last one was ${era.step}`);
    era.step = n;
  }

  #eraFor(instance: Instance): Era {
    return this.#eras[this.#eraOf.get(instance.key)!]!;
  }

  /** A quorum of the newest set has it on disk; of one that lies, only its word. */
  #requireStored(instance: Instance, pen: Pen, id: string, seq: number): void {
    const { relays, quorum } = pen.relaySet;
    const having = relays.filter(({ url, stream }) => {
      const relay = this.#relayAt(url);
      return relay !== undefined && (relay.lie !== undefined || relay.hadUnder(stream, id));
    });
    if (having.length < quorum) {
      this.fail(
        "committed-is-stored",
        `${instance.name} commits seq ${seq}, and ${having.length} relays of ${quorum} have it`,
      );
    }
  }
}
