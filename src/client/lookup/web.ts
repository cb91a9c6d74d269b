import { AntsError, isAntsError } from "../../../keys/errors.js";
import { readBounded } from "../http.js";
import type { Lookup } from "./lookup.js";

/** A {@link Lookup} on the global fetch of browsers, workers and other runtimes. */
export const lookup: Lookup = {
  async get(url, { maxBytes, accept, signal }) {
    try {
      // A page is not shown where a redirect leads, so it is followed here; where it ended is checked.
      const response = await fetch(url, { credentials: "omit", headers: { accept }, cache: "no-store", signal });
      if (new URL(response.url).protocol !== new URL(url).protocol) {
        throw new AntsError("web-redirect", `${url} leads to ${response.url}`, { details: { url, to: response.url } });
      }
      const { status, headers } = response;
      const type = (headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
      const isRead = status === 200;
      if (!isRead) await response.body?.cancel();
      const body = isRead ? await readBounded(url, response, maxBytes) : new Uint8Array();
      return { status, type, body };
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      if (isAntsError(cause)) throw cause;
      throw new AntsError("web-unreachable", `cannot read ${url}`, { cause, details: { url } });
    }
  },

  texts: () => Promise.resolve({ answer: "unsupported" }),
};
