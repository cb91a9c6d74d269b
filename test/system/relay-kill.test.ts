import { once } from "node:events";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Prng } from "../keys/prng.js";
import { inLanes } from "../support/lanes.js";
import { LogAuditor } from "../support/log-auditor.js";
import { RawAuthor } from "../support/raw-author.js";
import { NO_RATES, RelayProcess } from "../support/relay-process.js";

const KILLS = 100;
const PUBLISHERS = 8;
const FRAME_EVENTS = 16;
const IN_FLIGHT = 4;
const SEED = 20_26;

/** One publisher that remembers what was acknowledged, across all kills. */
class Publisher {
  readonly author = new RawAuthor();
  /** Position → id, as acknowledged. */
  readonly acknowledged = new Map<number, string>();
  #confirmed = 1;
  #socket: WebSocket | undefined;
  inFlight = 0;

  /** Goes on behind the last acknowledged event; what was sent without an answer is sent again. */
  async connect(url: string, onAck: () => void): Promise<void> {
    const socket = new WebSocket(url, "ants.1");
    this.#socket = socket;
    socket.on("error", () => undefined);
    await once(socket, "message");
    const frames = new Map<number, string[]>();
    let next = this.#confirmed;
    let ref = 0;
    const send = () => {
      while (this.inFlight < IN_FLIGHT && socket.readyState === WebSocket.OPEN) {
        while (this.author.events.length < next + FRAME_EVENTS) this.author.write(FRAME_EVENTS);
        const events = this.author.events.slice(next, next + FRAME_EVENTS);
        next += FRAME_EVENTS;
        frames.set(
          ++ref,
          events.map(({ id }) => id),
        );
        this.inFlight++;
        socket.send(this.author.frame(ref, events));
      }
    };
    socket.on("message", (data: Buffer) => {
      const answer = JSON.parse(data.toString()) as { t: string; ref: number; at: number[] };
      if (answer.t !== "ack") throw new Error(`refused: ${data.toString()}`);
      if (answer.ref === 0) {
        send();
        return;
      }
      const ids = frames.get(answer.ref)!;
      for (const [i, id] of ids.entries()) this.acknowledged.set(answer.at[i]!, id);
      this.#confirmed += ids.length;
      this.inFlight--;
      onAck();
      send();
    });
    socket.send(this.author.opening());
  }

  /** Returns how many frames had no answer when the connection ended. */
  async lost(): Promise<number> {
    const { inFlight } = this;
    if (this.#socket!.readyState !== WebSocket.CLOSED) await once(this.#socket!, "close");
    this.inFlight = 0;
    return inFlight;
  }
}

interface Outcome {
  withFramesInFlight: number;
  framesLost: number;
  acknowledged: number;
  entries: number;
}

/** Kills one relay again and again, and holds its log against what was acknowledged after each restart. */
async function series(seed: number, kills: number): Promise<Outcome> {
  const data = temporaryFolder();
  const random = new Prng(seed);
  const publishers = Array.from({ length: PUBLISHERS }, () => new Publisher());
  const auditor = new LogAuditor();
  const outcome = { withFramesInFlight: 0, framesLost: 0, acknowledged: 0, entries: 0 };
  for (let kill = 0; kill < kills; kill++) {
    await using relay = await RelayProcess.start({ data, flags: NO_RATES });
    await auditor.read(relay.httpUrl);
    for (const { acknowledged } of publishers) expect(auditor.missing(acknowledged)).toEqual([]);
    const wanted = 8 + random.below(32);
    let acks = 0;
    await new Promise<void>((resolve) => {
      for (const publisher of publishers) {
        void publisher.connect(relay.url, () => {
          if (++acks === wanted) setTimeout(resolve, random.below(4));
        });
      }
    });
    await relay.kill("SIGKILL");
    const lost = await Promise.all(publishers.map((publisher) => publisher.lost()));
    const sum = lost.reduce((all, each) => all + each, 0);
    outcome.framesLost += sum;
    if (sum > 0) outcome.withFramesInFlight++;
  }
  await using relay = await RelayProcess.start({ data, flags: NO_RATES });
  await auditor.read(relay.httpUrl);
  const acknowledged = publishers.flatMap((publisher) => [...publisher.acknowledged]);
  expect(auditor.missing(acknowledged)).toEqual([]);
  expect(new Set(auditor.ids).size).toBe(auditor.ids.length);
  return { ...outcome, acknowledged: acknowledged.length, entries: auditor.ids.length };
}

it(`loses nothing acknowledged in ${KILLS} kills at random moments under load (N3)`, { timeout: 300_000 }, async () => {
  const total: Outcome = { withFramesInFlight: 0, framesLost: 0, acknowledged: 0, entries: 0 };
  // Two relays at once: half of the time of each goes into starting a process.
  await inLanes([SEED, SEED + 1], async (seed) => {
    const outcome = await series(seed, KILLS / 2);
    for (const name of Object.keys(total) as (keyof Outcome)[]) total[name] += outcome[name];
  });
  console.log(
    `${KILLS} kills (seeds ${SEED} and ${SEED + 1}), ${total.withFramesInFlight} with frames in flight ` +
      `(${total.framesLost} frames in all), ${total.acknowledged} acknowledged entries, ${total.entries} in the logs`,
  );
  expect(total.withFramesInFlight).toBeGreaterThanOrEqual(90);
});
