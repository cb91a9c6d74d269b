import { concat, hex, utf8 } from "../../../../keys/bytes.js";
import { updateIdentity } from "../../../../keys/identity/create.js";
import type { RefusedMessage } from "../../../../src/protocol/messages.js";
import { IDENTITY_FILE } from "../instance.js";
import type { Answer, Lie } from "../sim-relay.js";
import type { Scenario } from "./scene.js";

/** Answers what was asked for a promise with a refusal, and everything else truly. */
export function refusing(code: string, more: Partial<RefusedMessage> = {}): Lie {
  return (answer, asked) => {
    const { message } = answer;
    if (asked.epoch === undefined || (message.t !== "promised" && message.t !== "refused")) return answer;
    return refusal(message.ref!, code, more);
  };
}

function refusal(ref: number, code: string, more: Partial<RefusedMessage> = {}): Answer {
  const facts = { i: 0, at: [], message: "so it says", retryable: false, ...more };
  return { message: { t: "refused", ref, code, ...facts }, lines: [] };
}

/** What relays may say that is not so: an agent believes no more of them than its identity allows, and gets over it. */
export const LIES: readonly Scenario[] = [
  {
    name: "all relays refuse for good",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const relay of scene.relays) relay.lie = refusing("bad-frame");
      await scene.ends(scene.start(first.options.host, { timeoutMs: 2_000 }), "no-quorum");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "relays refuse, each in its way",
    relays: 5,
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const [a, b, c, d] = scene.relays;
      a!.lie = refusing("bad-frame");
      b!.lie = refusing("rate-limited", { retryable: true, retryAfterMs: 50 });
      c!.lie = refusing("wrong-stream");
      d!.crash();
      await scene.ends(scene.start(first.options.host, { timeoutMs: 2_000 }), "no-quorum");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "held, by nobody that a relay can name",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const relay of scene.relays) relay.lie = refusing("held");
      await scene.ends(scene.start(first.options.host), "held");
      const waiting = scene.start(first.options.host, { wait: true });
      await scene.until("it waits", () => scene.world.checker.counts.has("waits"));
      for (const relay of scene.relays) relay.lie = undefined;
      await scene.holds(waiting, 120_000);
      await scene.commits(2);
    },
  },
  {
    name: "one of four says held, and who it is, and it is not so",
    relays: 4,
    faults: 1,
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      scene.relay("A").lie = refusing("held", { details: { holder: "0123456789abcdef", seenMs: 5 } });
      await scene.holds(scene.start(scene.emptyHome(), { wait: true }), 200_000);
      await scene.commits(2);
    },
  },
  {
    name: "a hand-over is used up that nobody named",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const relay of scene.relays) relay.lie = refusing("handover-used");
      await scene.ends(scene.start(first.options.host), "handover-used");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "one says that it promised, or promised another epoch",
    relays: 4,
    faults: 1,
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const [i, code] of ["fenced", "epoch-order", "identity-needed", "key-not-live"].entries()) {
        scene.relay("B").lie = refusing(code, { promised: 1_000 + i, retryable: i % 2 === 0 });
        const next = scene.start(first.options.host, { takeover: true });
        await scene.holds(next);
        await scene.commits(2);
        scene.world.kill(next);
      }
      scene.relay("B").lie = ({ message, lines }) => ({
        message: message.t === "promised" ? { ...message, epoch: message.epoch + 1 } : message,
        lines,
      });
      await scene.holds(scene.start(first.options.host, { takeover: true }));
      await scene.commits(2);
    },
  },
  {
    name: "one makes branches up, or keeps quiet about those that it was sent",
    relays: 4,
    faults: 1,
    async run(scene) {
      const { world } = scene;
      const first = await scene.begun();
      world.kill(first);
      scene.relay("B").lie = ({ message, lines }) => ({
        message: message.t === "promised" ? { ...message, branches: ["ab".repeat(32)] } : message,
        lines,
      });
      const next = scene.start(first.options.host, { takeover: true });
      await scene.holds(next);
      await scene.commits(2);
      world.kill(next);

      const update = (name: string, parent = world.genesis) =>
        updateIdentity({ parent, changes: { handles: [name] }, signSeed: world.seed, timeMs: 0 }).parsed;
      const [one, other] = [update("one.example"), update("other.example")];
      // The home stays with what it knew when the updates clashed; what followed ends that branch.
      const known = [world.genesis, one, other, update("more.example", one)];
      const host = scene.copyOf(first.options.host);
      host.disk.put(IDENTITY_FILE, concat(...known.flatMap(({ line }) => [line, utf8("\n")])));
      scene.relay("B").lie = ({ message, lines }) => {
        if (message.t !== "promised") return { message, lines };
        const { branches: _, ...rest } = message;
        return { message: rest, lines };
      };
      const last = scene.start(host, { takeover: true });
      await scene.holds(last);
      await scene.commits(2);
      for (const name of "CD") scene.relay(name).lie = scene.relay("B").lie;
      world.kill(last);
      await scene.ends(scene.start(host, { takeover: true, timeoutMs: 2_000 }), "no-quorum");
      await scene.goesOn(host);
    },
  },
  {
    name: "relays want an identity that they have",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const relay of scene.relays) relay.lie = refusing("identity-needed", { retryable: true });
      await scene.ends(scene.start(first.options.host, { timeoutMs: 1_000 }), "no-quorum");
      for (const relay of scene.relays) {
        relay.lie = (answer) => ("ref" in answer.message ? refusal(answer.message.ref!, "identity-needed") : answer);
      }
      await scene.ends(scene.start(first.options.host, { timeoutMs: 1_000 }), "no-quorum");
      for (const relay of scene.relays) {
        relay.lie = (answer, asked) => {
          if (!("ref" in answer.message)) return answer;
          const { ref } = answer.message;
          return asked.epoch === undefined
            ? refusal(ref!, "rate-limited", { retryable: true })
            : refusal(ref!, "identity-needed");
        };
      }
      await scene.ends(scene.start(first.options.host, { timeoutMs: 1_000 }), "no-quorum");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "a head that nobody serves",
    relays: 4,
    faults: 1,
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const head = { epoch: 7, seq: 2, id: hex(scene.world.random.bytes(32)) };
      scene.relay("D").lie = ({ message, lines }) => ({
        message: message.t === "promised" ? { ...message, head } : message,
        lines,
      });
      scene.relay("A").crash();
      await scene.ends(scene.start(first.options.host, { timeoutMs: 3_000 }), "no-quorum");
      await scene.relay("A").start();
      await scene.holds(scene.start(scene.emptyHome(), { takeover: true }));
      await scene.commits(2);
    },
  },
  {
    name: "promises, and then silence",
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      for (const relay of scene.relays) {
        relay.lie = (answer, asked) => (asked.epoch === undefined && asked.count > 0 ? undefined : answer);
      }
      await scene.ends(scene.start(first.options.host), "no-quorum", 90_000);
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "relays name a holder, and send what was not asked for",
    async run(scene) {
      const first = await scene.begun();
      const note = scene.chainAt(scene.relay("A")).find(({ seq }) => seq === 1)!;
      for (const relay of scene.relays) {
        relay.lie = ({ message, lines }) =>
          message.t === "entries"
            ? { message: { ...message, at: [...message.at, 999] }, lines: [...lines, note.line] }
            : { message, lines };
      }
      await scene.ends(scene.start(scene.emptyHome()), "held");
      for (const relay of scene.relays)
        relay.lie = ({ message, lines }) => (message.t === "entries" ? undefined : { message, lines });
      await scene.ends(scene.start(scene.emptyHome()), "held");
      await scene.goesOn(first.options.host);
    },
  },
  {
    name: "the turn is over, say relays, and not why",
    async run(scene) {
      const { host } = (await scene.begun()).options;
      for (const code of ["fork", "superseded", "key-not-live", "fenced"]) {
        const holder = await scene.goesOn(host);
        for (const relay of scene.relays) {
          relay.lie = (answer, asked) =>
            answer.message.t === "ack" && asked.count > 0 ? refusal(answer.message.ref, code) : answer;
        }
        await scene.ends(holder, code);
      }
      await scene.goesOn(host);
    },
  },
  {
    name: "a claim is acknowledged slowly, one relay after the other",
    relays: 5,
    async run(scene) {
      const first = await scene.begun();
      scene.world.kill(first);
      const { clock } = scene.world;
      const startMs = clock.monotonicMs();
      for (const [i, relay] of scene.relays.entries()) {
        relay.lie = (answer, asked) => {
          const isLate = asked.epoch === undefined && asked.count > 0 && clock.monotonicMs() < startMs + i * 8_000;
          return isLate
            ? refusal((answer.message as { ref: number }).ref, "rate-limited", { retryable: true })
            : answer;
        };
      }
      await scene.holds(scene.start(first.options.host, { timeoutMs: 60_000 }), 90_000);
      await scene.commits(2);
    },
  },
];
