/** What one GET came back with. The body is there for status 200 only. */
export interface WebAnswer {
  readonly status: number;
  /** The media type in lower case, without parameters; "" where none is stated. */
  readonly type: string;
  readonly body: Uint8Array;
  /** Where a redirect leads, as the server wrote it. */
  readonly location?: string;
  /** How long the server says that the answer holds (Cache-Control: max-age). */
  readonly maxAgeMs?: number;
}

export interface WebOptions {
  /** A longer answer is given up. */
  readonly maxBytes: number;
  /** The Accept header. */
  readonly accept: string;
  /**
   * The name was chosen by somebody else: where it resolves to an address of this machine or its network, that is not
   * dialled. Judged for the very addresses that are dialled, so an answer that changes in between gains nothing.
   */
  readonly publicOnly: boolean;
  readonly signal: AbortSignal;
}

/** What the DNS says of a name's TXT records, each record's strings joined. */
export type TextAnswer =
  | { readonly answer: "records"; readonly records: readonly string[] }
  /** The DNS answered that there is no such name, or no such record. */
  | { readonly answer: "nothing"; readonly why: string }
  /** This platform asks no DNS (browsers). */
  | { readonly answer: "unsupported" };

/** How names are looked up outside of the relays: HTTP and the DNS, without memory between two calls. */
export interface Lookup {
  /**
   * One GET without cookies, credentials or a proxy, which follows no redirect where the platform lets it (browsers
   * follow them by themselves, and keep pages out of private networks by rules of their own).
   *
   * Throws AntsError "host-unknown" (the DNS answers that there is no such host), "private-address", "too-large",
   * "web-unreachable" (whatever else keeps the answer away), or the signal's reason.
   */
  get(url: string, options: WebOptions): Promise<WebAnswer>;
  /** Throws AntsError "dns-failed" (SERVFAIL, time-out, refused …), or the signal's reason. */
  texts(name: string, signal: AbortSignal): Promise<TextAnswer>;
}
