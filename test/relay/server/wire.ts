import WebSocket from "ws";
import { encodeFrame } from "../../../src/protocol/frame.js";
import { DEFAULT_LIMITS } from "../../../src/protocol/limits.js";
import {
  type AckMessage,
  type HelloMessage,
  type ReceivedFrame,
  type RefusedMessage,
  type RelayMessage,
  readRelayFrame,
} from "../../../src/protocol/messages.js";
import type { Author } from "./author.js";

export type RelayFrame = ReceivedFrame<RelayMessage>;
type TypeOf = RelayMessage["t"];

/** One raw WebSocket to a relay: what a test sends and gets is exactly what crosses the wire. */
export class Wire implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  hello!: HelloMessage;
  readonly #url: string;
  readonly #frames: RelayFrame[] = [];
  #arrived: (() => void) | undefined;
  #isClosed = false;
  #nextRef = 1;

  private constructor(url: string) {
    this.#url = url;
    this.socket = new WebSocket(url, "ants.1", { maxPayload: 4 * 2 ** 20 });
    this.socket.on("message", (data: Buffer) => {
      this.#frames.push(readRelayFrame(data, { ...DEFAULT_LIMITS, maxFrameBytes: 4 * 2 ** 20 }));
      this.#arrived?.();
    });
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => {
        this.#isClosed = true;
        this.#arrived?.();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Connects and reads the hello. */
  static async open(url: string): Promise<Wire> {
    const wire = new Wire(url);
    await new Promise<void>((resolve, reject) => wire.socket.once("open", resolve).once("error", reject));
    wire.socket.on("error", () => undefined);
    wire.hello = (await wire.next("hello")).message as HelloMessage;
    return wire;
  }

  /** The next frame that arrives; with types, the next of one of them, others are dropped. Undefined at the end. */
  async take(...types: readonly TypeOf[]): Promise<RelayFrame | undefined> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        if (types.length === 0 || types.includes(frame.message.t)) return frame;
      } else if (this.#isClosed) return undefined;
      else {
        await new Promise<void>((resolve) => {
          this.#arrived = resolve;
        });
      }
    }
  }

  /** As {@link take}, where the connection must not end before. */
  async next<Type extends TypeOf>(...types: readonly Type[]): Promise<ReceivedFrame<RelayMessage & { t: Type }>> {
    const frame = await this.take(...types);
    if (frame === undefined) throw new Error(`the connection ended before ${types.join(" or ")}`);
    return frame as ReceivedFrame<RelayMessage & { t: Type }>;
  }

  send(message: object, lines: Iterable<string | Uint8Array> = []): void {
    this.socket.send(encodeFrame(message, lines), { binary: false });
  }

  /** Sends a frame with a ref of its own; the answer to it. */
  async ask(message: object, lines: Iterable<string | Uint8Array> = []): Promise<RelayFrame> {
    const ref = this.#nextRef++;
    this.send({ ref, ...message }, lines);
    for (;;) {
      const frame = await this.next("ack", "refused", "promised");
      if (frame.message.ref === ref) return frame;
    }
  }

  async publish(lines: Iterable<string | Uint8Array>, epoch?: number): Promise<AckMessage | RefusedMessage> {
    const { message } = await this.ask({ t: "publish", ...(epoch === undefined ? {} : { epoch }) }, lines);
    return message as AckMessage | RefusedMessage;
  }

  async authenticate(author: Author): Promise<AckMessage | RefusedMessage> {
    const line = author.auth({ relay: this.#url, challenge: this.hello.challenge });
    return (await this.ask({ t: "auth" }, [line])).message as AckMessage | RefusedMessage;
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
