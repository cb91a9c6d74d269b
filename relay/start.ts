/** A running relay, from its configuration to its end. */
import path from "node:path";
import { AntsError, isAntsError } from "../keys/errors.js";
import { createNodeDisk } from "../keys/node/disk.js";
import { type Clock, type Random, systemClock, systemRandom } from "../keys/ports.js";
import { checkpointOrigin } from "../src/protocol/checkpoint.js";
import type { RelayInfo } from "../src/protocol/relay-info.js";
import type { HandleRules } from "./admission/handle-book.js";
import { limitsOf, parseRelayConfig, type RelayConfig, type RelayConfigInput, wordsOf } from "./config.js";
import { DataFolder } from "./data-folder.js";
import { Ledger } from "./ledger.js";
import { nodeLogFiles } from "./log/log-files.js";
import { Metrics } from "./metrics.js";
import { Reading } from "./reading.js";
import { type LogSink, RelayLog } from "./relay-log.js";
import { handleHostOf, relayUrls } from "./relay-urls.js";
import { ByteBudget } from "./server/byte-budget.js";
import { HttpServer } from "./server/http-server.js";
import { Intake } from "./server/intake.js";
import { LogReader } from "./server/log-reader.js";
import { MessageBudget } from "./server/message-budget.js";
import { RateLimits } from "./server/rate-limits.js";
import type { RelayContext } from "./server/relay-context.js";
import { SocketServer } from "./server/socket-server.js";
import { Turns } from "./server/turns.js";
import { SOFTWARE } from "./software.js";
import { VerifierPool } from "./verify/pool.js";

/** What a relay takes from outside; everything has the real thing as its default. */
export interface StartOptions {
  /** Aborting it closes the relay in order, as {@link Relay.close} does. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Gets every record from the configured level on; without it nothing is said. */
  readonly log?: LogSink;
}

/** A relay that takes and serves entries. */
export interface Relay extends AsyncDisposable {
  /** Its WebSocket URL; by HTTP it is reached at the same place. */
  readonly url: string;
  /** The incarnation of its log, 16 hex digits. */
  readonly stream: string;
  /** The Multikey that signs its tree heads. */
  readonly key: string;
  /** The last position that readers see. */
  readonly position: number;
  /** Resolves when the relay is closed, for whatever reason; never rejects. */
  readonly closed: Promise<void>;
  /**
   * Stops in order: not ready, takes nothing new, answers what is under way, closes connections with 1001, then the
   * port and the data folder. What is not done by the deadline (default: the setting shutdownDeadlineMs) is cut; nothing that
   * was acknowledged is lost by that. Calling it again waits for the same end.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/**
 * Opens the data folder and starts to listen; resolves when the relay is ready.
 * Throws `config-value`, `listen-failed`, and what opening the folder throws (`locked`, `log-damaged`, …).
 */
export async function startRelay(input: RelayConfigInput, options: StartOptions = {}): Promise<Relay> {
  const config = parseRelayConfig(input);
  options.signal?.throwIfAborted();
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const log = new RelayLog(options.log, config.logLevel, clock);
  const urls = relayUrls(config);
  const folder = await DataFolder.open({
    folder: path.resolve(config.data),
    disk: createNodeDisk({ label: "ants relay" }),
    files: nodeLogFiles,
    random,
    clock,
    origin: (stream) => checkpointOrigin(urls.own(), stream),
    newStream: config.newStream,
    segmentBytes: config.segmentBytes,
    onProgress: (progress) => log.write("info", "opening", { ...progress }),
  });
  const onIndexing = (position: number) => log.write("info", "indexing", { position });
  const handles: HandleRules = {
    host: () => handleHostOf(urls.own()),
    reserved: new Set(wordsOf(config.reservedHandles)),
    perAgent: config.handlesPerAgent,
  };
  const rules = { ...limitsOf(config), handles };
  const ledger = await Ledger.open(folder, clock, onIndexing, rules).catch(async (error: unknown) => {
    await folder.close();
    throw error;
  });
  const relay = new RunningRelay({ config, clock, random, log, folder, ledger, urls, handles });
  try {
    await relay.listen();
  } catch (error) {
    await relay.close();
    throw error;
  }
  const { signal } = options;
  const onAbort = () => void relay.close();
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  void relay.closed.then(() => signal?.removeEventListener("abort", onAbort));
  return relay;
}

interface Parts {
  readonly config: RelayConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: RelayLog;
  readonly folder: DataFolder;
  readonly ledger: Ledger;
  readonly urls: ReturnType<typeof relayUrls>;
  readonly handles: HandleRules;
}

class RunningRelay implements Relay {
  readonly closed: Promise<void>;
  readonly #parts: Parts;
  readonly #pool: VerifierPool;
  readonly #context: RelayContext;
  readonly #sockets: SocketServer;
  readonly #http: HttpServer;
  #isClosing = false;
  #isListening = false;
  #markClosed: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve;
    });
    const { config, clock, random, log, folder, ledger, urls, handles } = parts;
    const limits = limitsOf(config);
    this.#pool = new VerifierPool({
      workers: config.workers,
      limits,
      onThreadError: (error) => this.#onFault(error),
    });
    const onFault = (error: unknown) => this.#onFault(error);
    const reading = new Reading(folder, clock);
    const awaiting = new ByteBudget(config.maxAwaitingBytes);
    const unsent = new ByteBudget(config.maxUnsentTotalBytes);
    const metrics = new Metrics({
      position: () => ledger.position,
      isReady: async () => (await this.#unreadiness()) === undefined,
      connections: () => this.#sockets.size,
      awaitingBytes: () => awaiting.used,
      unsentBytes: () => unsent.used,
    });
    ledger.onAdvance(({ entries, persistMs }) => metrics.committed(entries, persistMs));
    this.#context = {
      config,
      limits,
      clock,
      random,
      folder,
      ledger,
      reading,
      intake: new Intake({
        ledger,
        pool: this.#pool,
        rates: new RateLimits(limits, clock),
        banned: new Set(wordsOf(config.ban)),
        clock,
        onAnswer: (kind, message, ms) => metrics.answered(kind, "code" in message ? message.code : "ok", ms),
        onFault,
      }),
      reader: new LogReader(folder, reading),
      turns: new Turns(),
      messages: new MessageBudget(),
      awaiting,
      unsent,
      log,
      metrics,
      info: () => this.#info(),
      urls: () => urls.all(),
      handles,
      isClosing: () => this.#isClosing,
      unreadiness: () => this.#unreadiness(),
      onFault,
    };
    this.#sockets = new SocketServer(this.#context);
    this.#http = new HttpServer(this.#context, this.#sockets);
  }

  get url(): string {
    return this.#parts.urls.own();
  }

  get stream(): string {
    return this.#parts.folder.stream;
  }

  get key(): string {
    return this.#parts.folder.key;
  }

  get position(): number {
    return this.#parts.ledger.position;
  }

  async listen(): Promise<void> {
    const { urls, log } = this.#parts;
    const address = await this.#http.listen();
    this.#isListening = true;
    urls.listensOn(address);
    const { url, stream, position } = this;
    log.write("info", "listening", { url, host: address.address, port: address.port, stream, position });
  }

  async close({ deadlineMs }: { readonly deadlineMs?: number } = {}): Promise<void> {
    if (this.#isClosing) return this.closed;
    this.#isClosing = true;
    const { config, clock, log } = this.#parts;
    log.write("info", "closing");
    const done = new AbortController();
    const deadline = clock.sleep(deadlineMs ?? config.shutdownDeadlineMs, done.signal).then(
      () => {
        log.write("warn", "closing-cut", { connections: this.#sockets.size });
        this.#sockets.terminate();
        this.#http.terminate();
      },
      () => undefined,
    );
    try {
      await this.#closeInOrder();
    } catch (error) {
      this.#onFault(error);
    } finally {
      done.abort();
      await deadline;
      log.write("info", "closed");
      this.#markClosed();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeInOrder(): Promise<void> {
    this.#http.drain();
    await this.#context.intake.close();
    await this.#sockets.close();
    if (this.#isListening) await this.#http.close();
    await this.#pool.close();
    await this.#signLastHead();
    await this.#parts.ledger.close();
  }

  /** Binds the relay to all it took: without it the next start trusts the tree only as far as some reader asked. */
  async #signLastHead(): Promise<void> {
    // One that never listened took nothing, and may not know its own URL.
    if (!this.#isListening || this.#parts.ledger.failure !== undefined) return;
    await this.#context.reader.treeHead(this.position).catch((error: unknown) => this.#onFault(error));
  }

  #info(): RelayInfo {
    return {
      name: this.#parts.config.name,
      url: this.url,
      stream: this.stream,
      key: this.key,
      limits: this.#context.limits,
      policy: { durability: "fsync", hosting: "open" },
      software: SOFTWARE,
    };
  }

  /** A relay that can sign a head of now and take writes is ready. */
  async #unreadiness(): Promise<{ readonly code: string; readonly message: string } | undefined> {
    if (this.#isClosing) return { code: "shutting-down", message: "the relay is shutting down" };
    const failure = this.#parts.ledger.failure ?? this.#pool.failure;
    if (failure !== undefined) return { code: failure.code, message: failure.message };
    try {
      await this.#context.reader.treeHead(this.position);
      return undefined;
    } catch (error) {
      const { code, message } = isAntsError(error) ? error : new AntsError("internal", "no head could be signed");
      return { code, message };
    }
  }

  #onFault(error: unknown): void {
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    const code = isAntsError(error) ? { code: error.code } : {};
    this.#parts.log.write("error", "fault", { ...code, message, ...(stack === undefined ? {} : { stack }) });
  }
}
