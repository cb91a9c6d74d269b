/** Every metric of a relay, for Prometheus: base units, and no label that grows with agents, addresses or entries. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { SOFTWARE } from "./software.js";

/** What is read at the moment somebody asks. */
export interface MetricSources {
  position(): number;
  isReady(): Promise<boolean>;
  /** Open WebSocket connections. */
  connections(): number;
  /** Bytes received and not yet answered. */
  awaitingBytes(): number;
  /** Bytes written and not yet sent. */
  unsentBytes(): number;
}

const COMMIT_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const FRAME_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const COMMIT_ENTRIES = [1, 4, 16, 64, 256, 1024, 4096];

export class Metrics {
  /** Its own, not the library's global one: a process may run several relays. */
  readonly #registry = new Registry();
  readonly #entries: Counter;
  readonly #frames: Counter<"kind" | "outcome">;
  readonly #frameSeconds: Histogram<"kind">;
  readonly #commitSeconds: Histogram;
  readonly #commitEntries: Histogram;

  constructor(sources: MetricSources) {
    const registers = [this.#registry];
    this.#entries = new Counter({
      name: "ants_relay_entries_total",
      help: "Entries that were made durable since the start.",
      registers,
    });
    this.#frames = new Counter({
      name: "ants_relay_frames_total",
      help: 'Frames that were answered, by kind and outcome: "ok" or the error code.',
      labelNames: ["kind", "outcome"],
      registers,
    });
    this.#frameSeconds = new Histogram({
      name: "ants_relay_frame_seconds",
      help: "From a frame's arrival to its answer.",
      labelNames: ["kind"],
      buckets: FRAME_SECONDS,
      registers,
    });
    this.#commitSeconds = new Histogram({
      name: "ants_relay_commit_seconds",
      help: "Writing and fdatasync of one group of entries.",
      buckets: COMMIT_SECONDS,
      registers,
    });
    this.#commitEntries = new Histogram({
      name: "ants_relay_commit_entries",
      help: "Entries of one group.",
      buckets: COMMIT_ENTRIES,
      registers,
    });
    this.#gauge("ants_relay_info", "1, with the software's version.", () => 1, { software: SOFTWARE });
    this.#gauge("ants_relay_ready", "1 when the relay takes entries.", async () => ((await sources.isReady()) ? 1 : 0));
    this.#gauge("ants_relay_position", "The last position of the log.", () => sources.position());
    this.#gauge("ants_relay_connections", "Open WebSocket connections.", () => sources.connections());
    this.#gauge("ants_relay_awaiting_bytes", "Received and not yet answered.", () => sources.awaitingBytes());
    this.#gauge("ants_relay_unsent_bytes", "Written and not yet sent.", () => sources.unsentBytes());
    this.#gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
    this.#gauge("process_cpu_seconds_total", "User and system CPU time.", () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of them, in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A frame was answered. `outcome`: "ok" or an error code of the table. */
  answered(kind: "publish" | "promise", outcome: string, ms: number): void {
    this.#frames.inc({ kind, outcome });
    this.#frameSeconds.observe({ kind }, ms / 1000);
  }

  /** A group of entries became durable. */
  committed(entries: number, ms: number): void {
    this.#entries.inc(entries);
    this.#commitEntries.observe(entries);
    this.#commitSeconds.observe(ms / 1000);
  }

  #gauge(name: string, help: string, read: () => number | Promise<number>, labels: Record<string, string> = {}): void {
    new Gauge({
      name,
      help,
      labelNames: Object.keys(labels),
      registers: [this.#registry],
      async collect() {
        this.set(labels, await read());
      },
    });
  }
}
