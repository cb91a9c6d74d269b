import { request as plainRequest } from "node:http";
import { request } from "node:https";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import type { Lookup, TextAnswer, WebAnswer, WebOptions } from "./lookup.js";
import { addressLookup, dnsResolver, saysNothing } from "./node-addresses.js";

/**
 * A {@link Lookup} on Node's own HTTP client and DNS resolver. `dnsServers`: `address[:port]` of the servers to ask for
 * names and their TXT records; unless given, those of the system. Throws Node's error for what is no such address.
 */
export function createNodeLookup(dnsServers?: readonly string[]): Lookup {
  dnsResolver(dnsServers);
  return {
    get: (url, options) => getOnce(url, options, dnsServers),
    texts: (name, signal) => askTexts(name, dnsServers, signal),
  };
}

/** The system's DNS servers. */
export const lookup: Lookup = createNodeLookup();

async function askTexts(
  name: string,
  dnsServers: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<TextAnswer> {
  signal.throwIfAborted();
  const resolver = dnsResolver(dnsServers);
  const cancel = () => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const records = await resolver.resolveTxt(name);
    return { answer: "records", records: records.map((strings) => strings.join("")) };
  } catch (error) {
    signal.throwIfAborted();
    const { code = "no answer" } = error as { code?: string };
    if (saysNothing(error)) {
      return { answer: "nothing", why: code === "ENODATA" ? "no TXT record" : "no such name" };
    }
    throw new AntsError("dns-failed", `the DNS does not answer for ${name}: ${code}`, {
      cause: error,
      details: { name, code },
    });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function getOnce(url: string, options: WebOptions, dnsServers: readonly string[] | undefined): Promise<WebAnswer> {
  const { maxBytes, accept, publicOnly, signal } = options;
  return new Promise<WebAnswer>((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const failed = (error: Error) => reject(signal.aborted ? signal.reason : unreachable(url, error));
    const send = url.startsWith("https:") ? request : plainRequest;
    const asking = send(url, {
      // A connection of its own, which ends with it.
      agent: false,
      // What is packed could unpack to anything.
      headers: { accept, "accept-encoding": "identity", "user-agent": "ants" },
      lookup: addressLookup(publicOnly, dnsServers),
      signal,
    });
    asking.on("error", failed);
    asking.once("response", (response) => {
      response.on("error", failed);
      const { statusCode: status = 0, headers } = response;
      const type = packed(headers["content-encoding"]) ? "" : mediaType(headers["content-type"]);
      const { location } = headers;
      const maxAgeMs = maxAge(headers["cache-control"]);
      const told = {
        status,
        type,
        ...(location === undefined ? {} : { location }),
        ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
      };
      if (status !== 200) {
        asking.destroy();
        resolve({ ...told, body: new Uint8Array() });
        return;
      }
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        size += part.length;
        if (size > maxBytes) {
          asking.destroy();
          reject(tooLarge(url, maxBytes));
        } else parts.push(part);
      });
      response.once("end", () => resolve({ ...told, body: new Uint8Array(Buffer.concat(parts)) }));
      // Cut before its end.
      response.once("close", () => failed(new AntsError("web-unreachable", "the answer was cut")));
    });
    asking.end();
  });
}

function packed(encoding: string | undefined): boolean {
  return encoding !== undefined && encoding !== "identity";
}

function mediaType(type = ""): string {
  return type.split(";")[0]!.trim().toLowerCase();
}

function maxAge(control: string | undefined): number | undefined {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})(?:[\s,]|$)/.exec(control ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}

function tooLarge(url: string, maxBytes: number): AntsError {
  return new AntsError("too-large", `${url} answers with more than ${maxBytes} bytes`, { details: { url, maxBytes } });
}

function unreachable(url: string, cause: Error): AntsError {
  if (isAntsError(cause, "private-address") || isAntsError(cause, "host-unknown")) return cause;
  const { code } = cause as { code?: unknown };
  const why = typeof code === "string" && !cause.message.includes(code) ? `${code}: ${cause.message}` : cause.message;
  return new AntsError("web-unreachable", `cannot read ${url}: ${why}`, { cause, details: { url } });
}
