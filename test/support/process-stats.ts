import { readdirSync, readFileSync } from "node:fs";

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The most resident memory that a process was seen to have, looked at every 20 ms. */
export class MemoryWatch implements Disposable {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  mostBytes: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.mostBytes = residentBytes(pid);
    this.#timer = setInterval(() => this.look(), 20);
  }

  look(): void {
    this.mostBytes = Math.max(this.mostBytes, residentBytes(this.#pid));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
