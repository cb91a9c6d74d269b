import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { nodeDisk } from "../../keys/node/disk.js";
import { CursorStore } from "../client/cursor-store.js";
import type { Following } from "../client/follow.js";
import type { FollowState } from "../client/follow-state.js";

/**
 * Remembers in a file how far a follow is: as often as the disk keeps up with, and never ahead of what was printed. So
 * a crash shows some lines again and loses none, and a clean end is exact. A follow that asks for something else has a
 * place of its own in the file.
 */
export class FollowStateFile {
  readonly #store: CursorStore;
  readonly #name: string;
  #following: Pick<Following, "state"> | undefined;
  #printing = false;
  #unsaved = false;
  #saving: Promise<void> | undefined;
  /** What kept it from being written. */
  #failure: { readonly error: unknown } | undefined;

  private constructor(store: CursorStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  /** `name` stands for what is asked for. Throws "follow-state" for a file of something else, disk errors. */
  static async open(path: string, name: string): Promise<FollowStateFile> {
    return new FollowStateFile(await CursorStore.open(nodeDisk, resolve(path)), name);
  }

  /** How far the last follow got. */
  get state(): FollowState | undefined {
    return this.#store.get(this.#name);
  }

  watch(following: Pick<Following, "state">): void {
    this.#following = following;
  }

  /** An item was taken from the follow and is not printed yet. */
  taken(): void {
    this.#printing = true;
  }

  /** It is. Throws what kept an earlier one from being remembered: whoever prints on would not be told before the end. */
  printed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#printing = false;
    this.#unsaved = true;
    // Nobody waits for it yet: unhandled, a full disk would end the process without a word of ours.
    this.#saving ??= this.#save().catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  /** Resolves when all that was printed is remembered; throws what kept it from being written. */
  async flush(): Promise<void> {
    await this.#saving;
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#unsaved) await this.#save();
  }

  async #save(): Promise<void> {
    try {
      while (this.#unsaved) {
        // A turn of the event loop: whoever was given an item meanwhile has said so by then.
        await setImmediate();
        if (this.#printing) return;
        this.#unsaved = false;
        await this.#store.save(this.#name, this.#following!.state());
      }
    } finally {
      this.#saving = undefined;
    }
  }
}
