import { sha256 } from "#platform";
import { base64url, utf8 } from "../../../keys/bytes.js";
import { canonicalize } from "../../../keys/canonical.js";
import { publicKeyFromSeed, sign } from "../../../keys/ed25519/index.js";
import {
  type CreatedOperation,
  createIdentity,
  deactivateIdentity,
  type GenesisInput,
  type RotateInput,
  rotateIdentity,
  type UpdateChanges,
  updateIdentity,
} from "../../../keys/identity/create.js";
import { type ParsedOperation, parseOperation, signedBytes } from "../../../keys/identity/operation.js";
import type { Anchor, IdentityOperation, RelayAddress } from "../../../keys/identity/shape.js";
import { encodeMultikey } from "../../../keys/multikey.js";

/** A 32-byte secret with a name: the same in every run. */
export function secret(name: string): Uint8Array {
  return sha256(utf8(`test secret ${name}`));
}

/** The Multikey of the sign key or recovery key with that name. */
export function keyOf(name: string): string {
  return encodeMultikey(publicKeyFromSeed(secret(name)));
}

export function relay(name: string): RelayAddress {
  return { url: `wss://${name}.example`, stream: Buffer.from(sha256(utf8(name))).toString("hex", 0, 8) };
}

export function anchor(epoch: number, seq: number): Anchor {
  return { epoch, seq, id: Buffer.from(sha256(utf8(`event ${epoch} ${seq}`))).toString("hex") };
}

/** A genesis with the sign key "hot 0" and the recovery key "recovery 0", by three relays. */
export function genesis(changes: Partial<GenesisInput> = {}): ParsedOperation {
  return createIdentity({
    signSeeds: [secret("hot 0")],
    agree: secret("agree"),
    recoveryKeys: [publicKeyFromSeed(secret("recovery 0"))],
    escrow: secret("escrow"),
    relays: [relay("a"), relay("b"), relay("c")],
    timeMs: 1_800_000_000_000,
    ...changes,
  }).parsed;
}

let clock = 1_800_000_000_000;

/** An update by the hot key of the parent's era, or by the key named `by`. No two are alike: their times differ. */
export function update(
  parent: ParsedOperation,
  options: { changes?: UpdateChanges; by?: string; over?: readonly ParsedOperation[]; timeMs?: number } = {},
): ParsedOperation {
  const { changes = {}, by, over, timeMs = ++clock } = options;
  const signSeed = secret(by ?? hotKeyName(parent));
  return updateIdentity({ parent, changes, signSeed, timeMs, ...heads(over) }).parsed;
}

function heads(over: readonly ParsedOperation[] | undefined) {
  return over === undefined ? {} : { over: over.map(({ hash }) => hash) };
}

/** Which "hot …" key the parent has: tests name them by number, rivals with a letter behind. */
function hotKeyName(parent: ParsedOperation): string {
  const name = hotNames.find((candidate) => keyOf(candidate) === parent.op.keys.sign[0]);
  if (name === undefined) throw new RangeError(`no hot key of these tests signs for ${parent.hash}`);
  return name;
}
const hotNames = Array.from({ length: 9 }, (_, i) => ["", "b", "c"].map((letter) => `hot ${i}${letter}`)).flat();

/** The rotate from era `era` to the next one, by the recovery key of that number; `letter` tells rivals apart. */
export function rotate(
  parent: ParsedOperation,
  era: number,
  options: { letter?: string; anchor?: Anchor } & Partial<RotateInput> = {},
): ParsedOperation {
  const { letter = "", ...input } = options;
  return rotateIdentity({
    parent,
    revealSeeds: [secret(`recovery ${era}`)],
    newSignSeeds: [secret(`hot ${era + 1}${letter}`)],
    nextRecoveryKeys: [publicKeyFromSeed(secret(`recovery ${era + 1}`))],
    timeMs: ++clock,
    ...input,
  }).parsed;
}

export function deactivate(parent: ParsedOperation, era: number, at?: Anchor): ParsedOperation {
  const end = { parent, revealSeeds: [secret(`recovery ${era}`)], timeMs: ++clock };
  return deactivateIdentity(at === undefined ? end : { ...end, anchor: at }).parsed;
}

/** A line with whatever it says, signed by the named keys: for what the functions that create operations refuse. */
export function signLine(statement: object, signers: readonly string[]): string {
  const { sigs: _, ...unsigned } = statement as IdentityOperation;
  const bytes = signedBytes(unsigned);
  const sigs = signers
    .map((name) => ({ key: keyOf(name), sig: base64url(sign(bytes, secret(name))) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return canonicalize({ ...unsigned, sigs });
}

/** {@link signLine}, read back. */
export function signOperation(statement: object, signers: readonly string[]): ParsedOperation {
  return parseOperation(utf8(signLine(statement, signers)));
}

/** The statement of an operation with some fields replaced; undefined removes one. */
export function altered(operation: ParsedOperation | CreatedOperation, fields: Record<string, unknown>): object {
  const op = "op" in operation ? operation.op : operation.operation;
  return Object.fromEntries(Object.entries({ ...op, ...fields }).filter(([, value]) => value !== undefined));
}
