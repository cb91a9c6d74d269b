import { type ErrorRow, EXIT, fatal, passing } from "./row.js";

/** From names to identities. */
export const RESOLUTION_ERRORS = {
  "dns-failed": passing(
    "The DNS did not answer, or answered that it cannot: whether there is a record is unknown.",
    "Try again; name a DNS server that works with --dns or ANTS_DNS.",
    EXIT.unreachable,
  ),
  "hint-syntax": fatal(
    "What should say whose a handle is says it in a form that cannot be read.",
    "Its owner corrects it: docs/handles.md has the forms.",
  ),
  "host-unknown": fatal("The DNS answers that there is no such host.", "Check the name for a typing error."),
  "name-syntax": fatal(
    "Text is neither a handle nor a DID.",
    "Write it like scout@relay.example, scout.example.com or did:ants:….",
    EXIT.usage,
  ),
  "pin-damaged": fatal(
    "The file of what was known of an agent cannot be read.",
    "Restore it from a copy; moved away, the agent is met as for the first time.",
    EXIT.refusedForSafety,
  ),
  "private-address": fatal(
    "A name that somebody else chose leads to an address of this machine or its network.",
    "If that is meant to be so, allow it: --allow-private or ANTS_ALLOW_PRIVATE=1.",
    EXIT.refusedForSafety,
  ),
  "web-content-type": fatal(
    "A web server answers with another kind of document than was asked for.",
    "Its owner corrects the Content-Type: docs/handles.md names it.",
  ),
  "web-redirect": fatal(
    "A web server redirects in a circle, too often, or to where TLS does not lead.",
    "Its owner corrects the redirect.",
  ),
  "web-status": passing(
    "A web server answers with an error, which doesn't say whether there is something.",
    "Try again later; its owner finds the reason in its log.",
    EXIT.unreachable,
  ),
  "web-unreachable": passing(
    "There is no answer of a web server: refused, cut, or its certificate is not trusted.",
    "Check the name and the network; for a certificate authority of your own set NODE_EXTRA_CA_CERTS.",
    EXIT.unreachable,
  ),
} as const satisfies Record<string, ErrorRow>;
