import { hex } from "../../../keys/bytes.js";
import type { ParsedOperation } from "../../../keys/identity/operation.js";
import type { ChainHead } from "../../../src/protocol/event.js";
import type { PromisedMessage } from "../../../src/protocol/messages.js";
import type { SimRandom } from "../sim-random.js";
import type { Answer, Asked, Lie, SimRelay } from "./sim-relay.js";

const FALSE_REFUSALS = [
  "fenced",
  "fork",
  "superseded",
  "key-not-live",
  "held",
  "gap",
  "identity-needed",
  "rate-limited",
];

/**
 * A relay that says what is worst: that it promised what it refused, that it stored what it did not, that its head is an
 * old one or none, that the epoch is over when it is not. `share`: of its answers.
 */
export function liar(random: SimRandom, genesis: ParsedOperation, share: number): Lie {
  return (answer, asked, relay) => {
    if (random.next() >= share) return answer;
    const { message } = answer;
    switch (message.t) {
      case "ack":
        return asked.count === 0 ? answer : falseRefusal(random, message.ref);
      case "promised":
        if (random.next() < 0.15) return falseRefusal(random, message.ref);
        return { message: { ...withoutHead(message), ...anyHead(random, relay, genesis) }, lines: answer.lines };
      case "refused":
        return message.ref === undefined ? answer : falseYes(random, message.ref, asked, relay, genesis);
      case "entries":
        // It keeps lines back.
        return { message: { ...message, at: [] }, lines: [] };
      default:
        return answer;
    }
  };
}

function falseRefusal(random: SimRandom, ref: number): Answer | undefined {
  const fate = random.next();
  if (fate < 0.2) return undefined;
  const code = FALSE_REFUSALS[Math.floor(random.next() * FALSE_REFUSALS.length)]!;
  const promised = fate < 0.5 ? { promised: 1 + Math.floor(random.next() * 2 ** 30) } : {};
  const head =
    fate > 0.8 ? { head: { epoch: 1 + Math.floor(random.next() * 9), seq: 3, id: hex(random.bytes(32)) } } : {};
  const retryable = random.next() < 0.5;
  return {
    message: { t: "refused", ref, i: 0, at: [], code, message: "so it says", retryable, ...promised, ...head },
    lines: [],
  };
}

function falseYes(random: SimRandom, ref: number, asked: Asked, relay: SimRelay, genesis: ParsedOperation): Answer {
  if (asked.epoch === undefined) {
    const at = Array.from({ length: asked.count }, (_, i) => i + 1);
    return { message: { t: "ack", ref, at }, lines: [] };
  }
  const identity = genesis.hash;
  const epoch = random.next() < 0.1 ? asked.epoch + 1 : asked.epoch;
  return {
    message: { t: "promised", ref, epoch, identity, ...anyHead(random, relay, genesis) },
    lines: [genesis.line],
  };
}

function withoutHead({ head: _, ...message }: PromisedMessage): PromisedMessage {
  return message;
}

/** An old head, none, or one that there never was. */
function anyHead(random: SimRandom, relay: SimRelay, { did }: ParsedOperation): { head?: ChainHead } {
  const fate = random.next();
  if (fate < 0.3) return {};
  if (fate < 0.35) return { head: { epoch: 1 + Math.floor(random.next() * 30), seq: 2, id: hex(random.bytes(32)) } };
  const chain = relay.chain(did);
  const event = chain[Math.floor(random.next() * chain.length)];
  if (event === undefined) return {};
  const { epoch, seq, id } = JSON.parse(Buffer.from(event.line).toString());
  return { head: { epoch, seq, id } };
}
