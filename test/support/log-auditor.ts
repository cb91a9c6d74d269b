import { parseCursor, parseEntry, splitFrame } from "ants-agent";
import { EMPTY_ROOT, Frontier, fromHex, hex, leafHash } from "ants-agent/keys";

/** Reads a relay over HTTP, on from the last cursor, and proves for itself that the log only grew. */
export class LogAuditor {
  readonly ids: string[] = [];
  readonly #tree = Frontier.empty();
  #cursor = "start";

  async read(httpUrl: string): Promise<void> {
    for (;;) {
      const response = await fetch(`${httpUrl}/entries?after=${this.#cursor}&limit=256`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (!response.ok) throw new Error(new TextDecoder().decode(bytes));
      const { envelope, entries } = splitFrame(bytes);
      const at = envelope.at as number[];
      for (const [i, line] of entries.entries()) {
        const { id } = parseEntry(line);
        this.ids.push(id);
        this.#tree.append(leafHash(fromHex(id)));
        if (at[i] !== this.ids.length) throw new Error(`position ${at[i]} where ${this.ids.length} was due`);
      }
      this.#cursor = envelope.cursor as string;
      const { position, check } = parseCursor(this.#cursor);
      const root = hex(this.ids.length === 0 ? EMPTY_ROOT : this.#tree.root());
      if (position !== this.ids.length || check !== root.slice(0, 8)) {
        throw new Error(`cursor ${this.#cursor} after ${this.ids.length} entries with root ${root}`);
      }
      if (entries.length === 0) return;
    }
  }

  /** Of acknowledged (position, id) pairs those that the log does not hold. */
  missing(acknowledged: Iterable<readonly [position: number, id: string]>): (readonly [number, string])[] {
    return [...acknowledged].filter(([position, id]) => this.ids[position - 1] !== id);
  }
}
