/**
 * The answers of one HTTP connection, one after the other: a request that came while another is answered waits until
 * that answer has left, so that a client which takes nothing costs the relay one answer, however much it asks.
 */

/** Requests of one connection under way at once: browsers use one, pipelining clients a few. */
export const MAX_REQUESTS_PER_CONNECTION = 8;
/** Requests above that number that are told so; a client that sends more of them is none, and is cut. */
const MAX_REFUSED_REQUESTS = 16;

export class AnswerLine {
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #refused = 0;

  /** What becomes of one more request: it is answered in its turn, refused at once, or its connection is cut. */
  enter(): "answer" | "refuse" | "cut" {
    if (this.#underWay < MAX_REQUESTS_PER_CONNECTION) {
      this.#underWay += 1;
      return "answer";
    }
    this.#refused += 1;
    return this.#refused > MAX_REFUSED_REQUESTS ? "cut" : "refuse";
  }

  /** Resolves when every request that entered before has left. */
  async turn(): Promise<void> {
    if (this.#underWay === 1) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** An answer has left, or nobody waits for it any more. */
  leave(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#refused = 0;
    this.#waiting.shift()?.();
  }

  /** The connection is gone: whoever waits has nobody to answer. */
  close(): void {
    this.#waiting.length = 0;
  }
}
