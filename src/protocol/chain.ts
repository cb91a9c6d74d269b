/**
 * The chain rule: what a keeper of an agent's events (a relay, or the agent itself) does with one more event.
 *
 * Pure: it reads a {@link ChainView} and answers a {@link ChainVerdict}; storing, counting positions and telling
 * readers is the caller's part. The relay, the client and the simulation run this same code.
 * The rule in prose, row by row: docs/protocol.md, "The chain rule".
 */
import type { ChainHead } from "./event.js";
import { MAX_EPOCH_LEAP } from "./limits.js";

/** What the rule needs to know of one event. `prev` is absent exactly at seq 0. */
export interface ChainEvent extends ChainHead {
  readonly prev?: string;
  /** Multikey of the signer. */
  readonly key: string;
  readonly claim: boolean;
}

/** What the identity log says, as far as the rule needs it. */
export interface KeyView {
  /** The DID was ended by its owner. */
  readonly deactivated: boolean;
  /** How many rotates stand behind the live keys. */
  readonly rotations: number;
  /** How many rotates stand behind `key`; undefined for a key that no known operation names. */
  rotationsOf(key: string): number | undefined;
  /**
   * The last good event before the `rotations`-th rotate. Undefined at 0 and where that rotate voided the whole chain.
   */
  anchorOf(rotations: number): ChainHead | undefined;
}

/** One agent's events as kept in one place: a tree, and in it the path from seq 0 to the head, which is the chain. */
export interface ChainView {
  readonly keys: KeyView;
  /** The highest epoch promised or claimed here under a key that is still live; 0 where there is none. */
  readonly promised: number;
  readonly head: ChainEvent | undefined;
  /**
   * The ids stored at this epoch and seq, in the order of arrival: usually none or one, more after a fork. Nobody needs
   * more than the first `limit`: an author decides how many there are.
   */
  idsAt(epoch: number, seq: number, limit: number): readonly string[];
  /** The stored event with this id; its seq is known to the asker, so that an index by seq suffices. */
  find(id: string, seq: number): ChainEvent | undefined;
  /** Whether a stored event lies on the path to the head. */
  onChain(id: string, seq: number): boolean;
}

export type ChainVerdict =
  /** Store it. `movesHead`: it is the new head. `forkOf`: another event holds its epoch and seq; keep the pair as proof. */
  | { readonly kind: "store"; readonly movesHead: boolean; readonly forkOf?: string }
  /** Already stored; answer with its position. */
  | { readonly kind: "duplicate" }
  | {
      readonly kind: "refuse";
      readonly code: "fenced" | "identity-needed" | "key-not-live" | "superseded" | "gap" | "epoch-order" | "fork";
      readonly message: string;
      /** With code `fork`: the id that holds this epoch and seq, where there is one. */
      readonly forkOf?: string;
    };

type Refusal = Extract<ChainVerdict, { kind: "refuse" }>;

const refuse = (code: Refusal["code"], message: string): Refusal => ({ kind: "refuse", code, message });

/**
 * Judges one event by the chain rule; the first row that matches answers.
 *
 * @param stated the epoch in which the sender says it holds the pen; Infinity where it does not claim to hold it
 *   (a mirror, a foreign delivery), so that everything it sends is backfill
 */
export function judge(view: ChainView, stated: number, event: ChainEvent): ChainVerdict {
  if (stated < view.promised) {
    return refuse(
      "fenced",
      `epoch ${stated} is over: epoch ${view.promised} was promised to another holder of the pen`,
    );
  }
  const voided = whyVoid(view, event);
  if (voided !== undefined) return voided;

  if (view.find(event.id, event.seq) !== undefined) {
    return event.epoch === stated && !view.onChain(event.id, event.seq)
      ? refuse("superseded", `event ${event.id} is stored, but a later claim took the chain another way`)
      : { kind: "duplicate" };
  }

  const prev = event.prev === undefined ? undefined : view.find(event.prev, event.seq - 1);
  if (prev === undefined && !(event.seq === 0 && event.claim)) {
    return refuse(
      "gap",
      event.seq === 0 ? "a chain begins with a claim" : `seq ${event.seq} follows an event that is not here`,
    );
  }
  const disorder = whyOutOfOrder(view, stated, event, prev);
  if (disorder !== undefined) return disorder;

  const rival = rivalOf(view, event);
  if (rival !== undefined && event.epoch === stated) {
    return { ...refuse("fork", `epoch ${event.epoch}, seq ${event.seq} already holds event ${rival}`), forkOf: rival };
  }
  const movesHead = extendsHead(view, event);
  if (movesHead || event.epoch < stated) {
    return { kind: "store", movesHead, ...(rival === undefined ? {} : { forkOf: rival }) };
  }
  return refuse("fork", `epoch ${event.epoch}, seq ${event.seq} does not continue the chain`);
}

/** Of the events in one place, how many are looked at: a keeper stores fewer of one era. */
const MAX_RIVALS = 16;

/**
 * The event of the same era that holds this epoch and seq. What a key of another era signed there is no fork (two keys
 * that never were live together), or a thief who opened every epoch would keep the owner's new key from claiming.
 */
function rivalOf(view: ChainView, { epoch, seq, key }: ChainEvent): string | undefined {
  const { keys } = view;
  if (keys.rotations === 0) return view.idsAt(epoch, seq, 1)[0];
  const era = keys.rotationsOf(key);
  return view.idsAt(epoch, seq, MAX_RIVALS).find((id) => {
    const rival = view.find(id, seq);
    return rival !== undefined && keys.rotationsOf(rival.key) === era;
  });
}

/** An event moves the head by following it in its epoch, or by being a claim of a higher (rotations, epoch). */
function extendsHead(view: ChainView, event: ChainEvent): boolean {
  const { head, keys } = view;
  if (head === undefined) return event.claim;
  if (event.prev === head.id && event.epoch === head.epoch) return true;
  if (!event.claim) return false;
  const ahead = (keys.rotationsOf(event.key) ?? 0) - (keys.rotationsOf(head.key) ?? 0);
  return ahead > 0 || (ahead === 0 && event.epoch > head.epoch);
}

/** Compares two places on an agent's chain by (rotations, epoch, seq), the order in which a head never goes back. */
export function compareHeads(keys: KeyView, a: ChainEvent, b: ChainEvent): number {
  return (keys.rotationsOf(a.key) ?? -1) - (keys.rotationsOf(b.key) ?? -1) || a.epoch - b.epoch || a.seq - b.seq;
}

/** The rows about keys: unknown, retired and beyond the anchor, or a DID that has ended. */
function whyVoid(view: ChainView, event: ChainEvent): Refusal | undefined {
  const { keys } = view;
  if (keys.deactivated) return refuse("key-not-live", "this DID was deactivated by its owner");
  const rotations = keys.rotationsOf(event.key);
  if (rotations === undefined) return refuse("identity-needed", `no operation known here names the key ${event.key}`);
  if (isVoid(view, event, rotations)) {
    return refuse("key-not-live", `the key ${event.key} was rotated away before this event`);
  }
  return undefined;
}

/**
 * Whether an event by a retired key lies beyond an anchor: that of the rotate that retired it, or of any later one. A
 * later rotate may name an earlier event than the one before it did; then what lies between is void as well, in whatever
 * order the rotates arrive.
 *
 * Where an anchor itself is not stored yet, an event that could still be its ancestor counts as good; the keeper asks
 * again through {@link headAfterRotation} when the anchor arrives.
 */
export function isVoid(view: ChainView, event: ChainEvent, rotations = view.keys.rotationsOf(event.key) ?? 0): boolean {
  const { keys } = view;
  for (let later = rotations + 1; later <= keys.rotations; later++) {
    const anchor = keys.anchorOf(later);
    if (anchor === undefined) return true;
    if (event.id === anchor.id) continue;
    if (event.seq >= anchor.seq || event.epoch > anchor.epoch) return true;
    const stored = view.find(anchor.id, anchor.seq);
    if (stored !== undefined && !isAncestor(view, event, stored)) return true;
  }
  return false;
}

/** Whether `event` lies on the path from seq 0 to the stored event `tip`. */
function isAncestor(view: ChainView, event: ChainEvent, tip: ChainEvent): boolean {
  if (view.onChain(tip.id, tip.seq)) return view.onChain(event.id, event.seq);
  let at: ChainEvent | undefined = tip;
  while (at !== undefined && at.seq > event.seq) {
    at = at.prev === undefined ? undefined : view.find(at.prev, at.seq - 1);
  }
  return at?.id === event.id;
}

/** What must hold between an event, its predecessor and the stated epoch, whoever holds the pen. */
function whyOutOfOrder(
  view: ChainView,
  stated: number,
  event: ChainEvent,
  prev: ChainEvent | undefined,
): Refusal | undefined {
  if (event.epoch > stated) {
    return refuse("epoch-order", `an event of epoch ${event.epoch} in a frame that states epoch ${stated}`);
  }
  const floor = prev?.epoch ?? 0;
  if (event.claim ? event.epoch <= floor || event.epoch > floor + MAX_EPOCH_LEAP : event.epoch !== floor) {
    return refuse(
      "epoch-order",
      event.claim
        ? `a claim after epoch ${floor} opens epoch ${floor + 1} to ${floor + MAX_EPOCH_LEAP}, not ${event.epoch}`
        : `an event of epoch ${event.epoch} cannot follow one of epoch ${floor}: only a claim opens an epoch`,
    );
  }
  const { keys } = view;
  const rotations = keys.rotationsOf(event.key) ?? 0;
  if (prev === undefined) {
    return rotations > 0 && keys.anchorOf(rotations) !== undefined
      ? refuse("key-not-live", "a rotated key continues from the anchor, it does not begin a chain anew")
      : undefined;
  }
  const before = keys.rotationsOf(prev.key) ?? 0;
  const descends =
    before === rotations || (event.claim && before < rotations && keys.anchorOf(rotations)?.id === prev.id);
  return descends ? undefined : refuse("key-not-live", "a rotated key continues from the anchor and from nothing else");
}

/**
 * Where the head belongs after the identity log or the tree grew: unchanged while its event is good, else the anchor,
 * else (the anchor is not stored yet) the last event of the present chain that could be an ancestor of the anchor.
 */
export function headAfterRotation(view: ChainView): ChainEvent | undefined {
  const { head, keys } = view;
  if (head === undefined || !isVoid(view, head)) return head;
  for (let rotations = keys.rotations; rotations > 0; rotations--) {
    const anchor = keys.anchorOf(rotations);
    if (anchor === undefined) return undefined;
    const stored = view.find(anchor.id, anchor.seq);
    if (stored !== undefined && !isVoid(view, stored)) return stored;
  }
  let at: ChainEvent | undefined = head;
  while (at !== undefined && isVoid(view, at)) at = at.prev === undefined ? undefined : view.find(at.prev, at.seq - 1);
  return at;
}
