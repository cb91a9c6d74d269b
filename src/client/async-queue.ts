/**
 * A queue between one producer and one consumer: `push` never waits, `next` waits for an item. What bounds it is the
 * producer's business; `size` is there to decide by.
 */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  #items: T[] = [];
  /** Items before this index were taken; the array is cut when half of it is spent, so that taking stays cheap. */
  #taken = 0;
  #waiting: { resolve(result: IteratorResult<T>): void; reject(reason: unknown): void } | undefined;
  #ended: { readonly error?: unknown } | undefined;

  /** Items pushed and not taken. */
  get size(): number {
    return this.#items.length - this.#taken;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Adds an item; ignored after the end. */
  push(item: T): void {
    if (this.#ended !== undefined) return;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.resolve({ value: item, done: false });
      return;
    }
    this.#items.push(item);
  }

  /** No more items: what is queued is still given out, then the iteration ends, or throws `error` where one is given. */
  end(failure?: { readonly error: unknown }): void {
    if (this.#ended !== undefined) return;
    this.#ended = failure ?? {};
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (failure === undefined) waiting.resolve({ value: undefined, done: true });
    else waiting.reject(failure.error);
  }

  /** Ends at once: what is queued is dropped, and the iteration throws `error`. */
  abort(error: unknown): void {
    this.#items = [];
    this.#taken = 0;
    this.end({ error });
    this.#ended = { error };
  }

  /** The next queued item without taking it. */
  peek(): T | undefined {
    return this.#items[this.#taken];
  }

  /** The next queued item, or undefined where there is none now. */
  take(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#taken]!;
    this.#taken += 1;
    if (this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.size > 0) return Promise.resolve({ value: this.take() as T, done: false });
    if (this.#ended !== undefined) {
      return "error" in this.#ended
        ? Promise.reject(this.#ended.error)
        : Promise.resolve({ value: undefined, done: true });
    }
    if (this.#waiting !== undefined)
      throw new TypeError("an AsyncQueue has one consumer: await next() before the next");
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** The consumer leaves: what is queued is dropped. */
  return(): Promise<IteratorResult<T>> {
    this.end();
    this.#items = [];
    this.#taken = 0;
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
