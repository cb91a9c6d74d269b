import { AntsError } from "../../keys/errors.js";

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * One GET without credentials or redirects. Throws AntsError `relay-unreachable`, `too-large` for an answer above
 * `maxBytes`, or the signal's reason.
 */
export type HttpGet = (url: string, options: { maxBytes: number; signal?: AbortSignal }) => Promise<HttpAnswer>;

/** An {@link HttpGet} on the global fetch. */
export const webGet: HttpGet = async (url, { maxBytes, signal }) => {
  try {
    const response = await fetch(url, {
      redirect: "error",
      credentials: "omit",
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: response.status, body: await readBounded(url, response, maxBytes) };
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    if (cause instanceof AntsError) throw cause;
    throw new AntsError("relay-unreachable", `cannot read ${url}`, { cause, details: { url } });
  }
};

/** A response's body. Throws AntsError "too-large" above `maxBytes`, and whatever reading it throws. */
export async function readBounded(url: string, response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBytes) {
      await reader.cancel();
      throw new AntsError("too-large", `${url} answers with more than ${maxBytes} bytes`, {
        details: { url, maxBytes },
      });
    }
    parts.push(value);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
