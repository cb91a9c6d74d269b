/** Whose a handle is: WebFinger (RFC 7033) for the names that this relay gave, a line of text for domains that lead here. */
import { isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { parseHandle } from "../../keys/identity/handle.js";
import { isHost } from "../../keys/identity/relay-url.js";
import { uriOfHandle } from "../../src/protocol/did-document.js";
import { RELAY_REL, STREAM_PROPERTY } from "../../src/protocol/webfinger.js";
import type { NamedAgent } from "../reading.js";
import type { Exchange, Route } from "./exchange.js";
import { reply, TEXT_TYPE } from "./http-reply.js";
import { onlyQuery } from "./query.js";

/** How long an answer may be kept: a hint that is a little old still leads to the identity log. */
const CACHE_CONTROL = "max-age=300";

export const handleRoutes: readonly Route[] = [
  { method: "GET", path: /^\/\.well-known\/webfinger$/, handle: webFinger },
  { method: "GET", path: /^\/\.well-known\/ants-did$/, handle: domain },
];

/** A JRD. Query fields other than `resource` and `rel` are passed over, as RFC 7033 servers do. */
async function webFinger(exchange: Exchange): Promise<void> {
  const { url, context, response, address } = exchange;
  const [resource, ...more] = url.searchParams.getAll("resource");
  if (resource === undefined || more.length > 0 || !/^[a-z][a-z0-9+.-]*:./i.test(resource)) {
    const message = 'expected one "resource", a URI like acct:name@host';
    throw new AntsError("bad-request", message, { details: { field: "resource" } });
  }
  await context.turns.next(address);
  const agent = agentOf(exchange, resource);
  if (agent === undefined) {
    throw new AntsError("not-found", `nobody is ${resource.slice(0, 300)} here`, {
      details: { resource: resource.slice(0, 300) },
    });
  }
  const { did, handles, relays } = agent;
  const http = context.info().url.replace(/^ws/, "http");
  const links = [
    { rel: "self", type: "application/did", href: did },
    ...relays.map((relay) => ({ rel: RELAY_REL, href: relay.url, properties: { [STREAM_PROPERTY]: relay.stream } })),
    { rel: "describedby", type: "application/did-resolution", href: `${http}/1.0/identifiers/${did}` },
  ];
  const rels = url.searchParams.getAll("rel");
  const aliases = [did, ...handles.map(uriOfHandle)].filter((name) => name !== resource);
  const jrd = { subject: resource, aliases, links: links.filter(({ rel }) => rels.length === 0 || rels.includes(rel)) };
  response.setHeader("cache-control", CACHE_CONTROL);
  await reply(exchange, 200, "application/jrd+json", `${JSON.stringify(jrd)}\n`);
}

function agentOf({ context }: Exchange, resource: string): NamedAgent | undefined {
  if (isDid(resource)) return context.reading.agentNamed(resource);
  if (!resource.startsWith("acct:")) return undefined;
  const handle = resource.slice("acct:".length);
  const [name, host] = handle.split("@") as [string, string | undefined];
  // Longer than any handle, a name would be no key of the index.
  if (parseHandle(handle)?.kind !== "account") return undefined;
  const { handles, reading } = context;
  if (host === undefined || host !== handles.host() || handles.reserved.has(name)) return undefined;
  return reading.agentWithHandle(handle);
}

/** The line that the domain's DNS may have as well: `did=did:ants:… relay=wss://… relay=wss://…`. */
async function domain(exchange: Exchange): Promise<void> {
  onlyQuery(exchange, []);
  const { request, context, response, address } = exchange;
  const host = (request.headers.host ?? "").toLowerCase().replace(/:\d{1,5}$/, "");
  await context.turns.next(address);
  const agent = isHost(host) ? context.reading.agentWithDomain(host) : undefined;
  if (agent === undefined) {
    throw new AntsError("not-found", `no agent here is ${host.slice(0, 300)}`, {
      details: { host: host.slice(0, 300) },
    });
  }
  const words = [`did=${agent.did}`, ...agent.relays.map((relay) => `relay=${relay.url}`)];
  response.setHeader("cache-control", CACHE_CONTROL);
  response.setHeader("vary", "host");
  await reply(exchange, 200, TEXT_TYPE, `${words.join(" ")}\n`);
}
