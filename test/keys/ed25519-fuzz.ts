import { createRequire } from "node:module";
import { passesGate } from "../../keys/ed25519/gate.js";
import { ed25519Backends, verifyStrict } from "../../keys/ed25519/index.js";
import { Mutator } from "./ed25519-mutations.js";
import { Prng } from "./prng.js";

/** What a run found. `disagreements` holds a line for each, with what is needed to see it again. */
export interface FuzzReport {
  mutations: number;
  accepted: number;
  /** Mutations that passed the gate, on which each backend evaluated the equation itself. */
  reachedTheEquation: number;
  kinds: Map<string, number>;
  disagreements: string[];
}

interface Libsodium {
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

/**
 * Asks every backend about `mutations` signatures; every `equationEvery`-th is made to reach the equation, the others
 * to be stopped by the gate. What the backends have in common, the gate, is compared with libsodium called directly:
 * its own checks are an independent implementation of the same rule.
 */
export function fuzzBackends(seed: number, mutations: number, equationEvery: number): FuzzReport {
  const mutator = new Mutator(new Prng(seed));
  const libsodium = createRequire(import.meta.url)("sodium-native") as Libsodium;
  const report: FuzzReport = { mutations, accepted: 0, reachedTheEquation: 0, kinds: new Map(), disagreements: [] };
  const backends = ed25519Backends();
  for (let i = 0; i < mutations; i++) {
    const mutation = i % equationEvery === 0 ? mutator.reachingTheEquation() : mutator.stoppedByTheGate();
    const { kind, signature, message, publicKey } = mutation;
    const answers = backends.map((backend) => verifyStrict(signature, message, publicKey, backend));
    if (signature.length === 64) answers.push(libsodium.crypto_sign_verify_detached(signature, message, publicKey));
    if (new Set(answers).size !== 1) {
      const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
      report.disagreements.push(`${kind}: ${answers} ${hex(signature)} ${hex(message)} ${hex(publicKey)}`);
    }
    if (answers[0]) report.accepted++;
    if (passesGate(signature, publicKey)) report.reachedTheEquation++;
    report.kinds.set(kind, (report.kinds.get(kind) ?? 0) + 1);
  }
  return report;
}

/** One line for the log of the run. */
export function describeReport(seed: number, report: FuzzReport): string {
  const kinds = [...report.kinds].map(([kind, count]) => `${kind} ${count}`).join(", ");
  return (
    `ed25519 fuzz, seed ${seed}: ${report.mutations} mutations, ${report.reachedTheEquation} reached the equation, ` +
    `${report.accepted} accepted, ${report.disagreements.length} disagreements (${kinds})`
  );
}
