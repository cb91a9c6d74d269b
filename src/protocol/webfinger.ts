/** What the links of a WebFinger answer (RFC 7033) that lead to an agent's relays are called. */

/** The rel of a link to a relay. */
export const RELAY_REL = "https://ants.dev/rel/relay";
/** The property of such a link that says under which stream the relay counts. */
export const STREAM_PROPERTY = "https://ants.dev/ns/stream";
