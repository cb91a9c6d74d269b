import { once } from "node:events";
import { WebSocket } from "ws";
import { RawAuthor } from "./raw-author.js";

const FRAME_EVENTS = 256;

/** One agent that publishes full frames, one after the other. */
export class FramePublisher implements AsyncDisposable {
  readonly author = new RawAuthor();
  /** Position of the last acknowledged entry. */
  position = 0;
  readonly #socket: WebSocket;
  #ref = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async start(url: string): Promise<FramePublisher> {
    const socket = new WebSocket(url, "ants.1");
    await once(socket, "message");
    const publisher = new FramePublisher(socket);
    await publisher.#send(publisher.author.opening());
    return publisher;
  }

  /** Publishes one more frame and waits for its acknowledgement. */
  async publish(): Promise<void> {
    await this.#send(this.author.frame(++this.#ref, this.author.write(FRAME_EVENTS)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
  }

  async #send(frame: Uint8Array): Promise<void> {
    this.#socket.send(frame);
    const [data] = await once(this.#socket, "message");
    const answer = JSON.parse(String(data)) as { t: string; at: number[] };
    if (answer.t !== "ack") throw new Error(String(data));
    this.position = answer.at.at(-1)!;
  }
}
