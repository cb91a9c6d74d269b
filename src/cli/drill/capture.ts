import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { AntsError } from "../../../keys/errors.js";
import type { ThrowAwayAgent } from "./found.js";
import { keysIn } from "./key-search.js";
import type { NamespaceNetwork } from "./namespace-network.js";
import type { Check } from "./stage.js";

/** Long enough for tshark to load its dissectors on a busy machine. */
const MAX_STDERR_CHARACTERS = 4_000;

/** Every packet between hosts, relays and the receiver of one network, recorded by tshark. */
export class Capture {
  readonly file: string;
  readonly #tshark: ChildProcess;

  private constructor(file: string, tshark: ChildProcess) {
    this.file = file;
    this.#tshark = tshark;
  }

  /** Resolves when packets are being recorded. Throws AntsError "drill-network" where tshark is missing or refuses. */
  static async start(network: NamespaceNetwork, file: string): Promise<Capture> {
    const [program, ...args] = [...network.underBridge, "tshark", "-q", "-i", "any", "-w", file];
    const tshark = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    await new Promise<void>((resolve, reject) => {
      tshark.stderr!.setEncoding("utf8").on("data", (text: string) => {
        errors = (errors + text).slice(-MAX_STDERR_CHARACTERS);
        if (errors.includes("Capturing on")) resolve();
      });
      tshark.once("exit", () => reject(unavailable(errors)));
      tshark.once("error", (error) => reject(unavailable(error.message)));
    });
    return new Capture(file, tshark);
  }

  /** Ends the recording; what was seen is in the file then. */
  async stop(): Promise<void> {
    if (this.#tshark.exitCode !== null || this.#tshark.signalCode !== null) return;
    this.#tshark.kill("SIGINT");
    await once(this.#tshark, "exit");
  }

  /** Whether any key of these agents passed in clear, in packets or in the frames of WebSockets (which mask them). */
  async check(agents: readonly ThrowAwayAgent[]): Promise<Check> {
    await this.stop();
    const packets = await readFile(this.file);
    const frames = Buffer.from(await this.#frames());
    const found = agents.flatMap(({ keys }) => [...keysIn(packets, keys), ...keysIn(frames, keys)]);
    // What the search cannot see it cannot clear: these went over the wire, the second in masked frames only.
    const known = [...agents.map(({ did }) => did), '"t":"publish"'];
    const unseen = known.filter((text) => !frames.includes(text));
    return {
      what: "no key passed over the network in clear",
      ok: found.length === 0 && unseen.length === 0,
      found:
        found.length > 0
          ? `found: ${[...new Set(found)].join(", ")}`
          : unseen.length > 0
            ? `the capture lacks frames with ${unseen[0]}, so nothing is known`
            : `${packets.length} bytes of packets, ${frames.length} characters of frames`,
    };
  }

  /** The texts of all WebSocket frames and HTTP bodies, unmasked. */
  async #frames(): Promise<string> {
    const fields = ["-T", "fields", "-e", "websocket.payload.text", "-e", "http.file_data"];
    const tshark = spawn("tshark", ["-r", this.file, "-Y", "websocket or http", ...fields], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    tshark.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    await once(tshark, "close");
    return text;
  }
}

function unavailable(why: string): AntsError {
  return new AntsError("drill-network", `the packets cannot be recorded: ${why.trim() || "tshark ended at once"}`, {
    hint: "install tshark, or leave --capture out",
  });
}
