import { once } from "node:events";
import { WebSocket } from "ws";
import { AntsError } from "../keys/index.js";
import { framesOf, type LoadedAgent } from "./load.js";
import { startRelayProcess } from "./processes.js";

/** Frames of one connection that await their answer; enough to keep a relay busy across a commit. */
const IN_FLIGHT = 16;

export interface IngestResult {
  readonly entries: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  /** Processor time of the relay for one entry, µs: what else the machine does changes it least. */
  readonly relayMicroseconds: number;
}

/** Sends all events of all agents, one connection each, to a fresh relay; the clock stops at the last acknowledgement. */
export async function measureIngest(agents: readonly LoadedAgent[], frameEntries: number): Promise<IngestResult> {
  await using relay = await startRelayProcess();
  const senders = await Promise.all(agents.map((agent) => Sender.open(relay.url, agent, frameEntries)));
  const processorBefore = await processorSeconds(relay.url);
  const start = performance.now();
  await Promise.all(senders.map((sender) => sender.run()));
  const seconds = (performance.now() - start) / 1000;
  const processor = (await processorSeconds(relay.url)) - processorBefore;
  for (const sender of senders) sender.close();
  const entries = agents.reduce((sum, { lines }) => sum + lines.length, 0);
  const bytes = agents.reduce((sum, { lines }) => sum + lines.reduce((all, line) => all + line.length + 1, 0), 0);
  const relayMicroseconds = (processor / entries) * 1e6;
  return { entries, seconds, perSecond: entries / seconds, bytesPerSecond: bytes / seconds, relayMicroseconds };
}

/** Processor time, user and system, that a relay has used since it started. */
async function processorSeconds(url: string): Promise<number> {
  const metrics = await (await fetch(`${url.replace(/^ws/, "http")}/metrics`)).text();
  const [, seconds] = /^process_cpu_seconds_total (\S+)$/m.exec(metrics) ?? [];
  if (seconds === undefined) throw new AntsError("internal", "the relay's metrics have no process_cpu_seconds_total");
  return Number(seconds);
}

/** Publishes an agent's opening and all its events, and waits for every acknowledgement. */
export async function publishAll(url: string, agent: LoadedAgent, frameEntries: number): Promise<void> {
  const sender = await Sender.open(url, agent, frameEntries);
  await sender.run();
  sender.close();
}

class Sender {
  readonly #socket: WebSocket;
  readonly #frames: readonly Uint8Array[];
  #sent = 0;
  #acknowledged = 0;

  private constructor(socket: WebSocket, frames: readonly Uint8Array[]) {
    this.#socket = socket;
    this.#frames = frames;
  }

  static async open(url: string, agent: LoadedAgent, frameEntries: number): Promise<Sender> {
    const socket = new WebSocket(url, "ants.1", { perMessageDeflate: false });
    await once(socket, "message");
    socket.send(agent.opening);
    expectAck(await once(socket, "message"));
    return new Sender(socket, framesOf(agent, frameEntries));
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.on("message", (data: Buffer) => {
        try {
          expectAck([data]);
        } catch (error) {
          reject(error);
          return;
        }
        this.#acknowledged++;
        if (this.#acknowledged === this.#frames.length) resolve();
        else this.#fill();
      });
      this.#socket.once("close", () => reject(new AntsError("internal", "the relay closed the connection")));
      this.#fill();
    });
  }

  close(): void {
    this.#socket.terminate();
  }

  #fill(): void {
    while (this.#sent < this.#frames.length && this.#sent - this.#acknowledged < IN_FLIGHT) {
      this.#socket.send(this.#frames[this.#sent++]!);
    }
  }
}

const ACK = Buffer.from('"t":"ack"');

function expectAck([data]: unknown[]): void {
  const answer = data as Buffer;
  if (!answer.includes(ACK)) throw new AntsError("internal", `expected an ack, got ${answer.subarray(0, 300)}`);
}
