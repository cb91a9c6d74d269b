import type { Match } from "./finding.js";

const ADDRESS = /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'`<>\\^{}|]{1,2048}/gi;
const USER_INFO = /^(?<scheme>[a-z][a-z0-9+.-]*:\/\/)(?<user>[^/?#@:]*):(?<password>[^/?#@]+)@/i;
const SECRET_PARAMETER =
  /[?&#](?<name>(?:[\w-]*(?:token|secret|password|passwd|api[_-]?key|signature|credential))|sig|key|auth|code)=(?<value>[^&#]{8,})/gi;
/** What examples have where a password would be. */
const EXAMPLE = /^(?:pass(?:word|wd)?|secret|pw|pwd|user|test|example|changeme|token|[*x.…]+|<.*>|\$.*|%24.*|\[.*\])$/i;

/** Addresses that carry a password or a key, and where all addresses are: their paths look random and are none. */
export function secretsInAddresses(text: string): { readonly found: Match[]; readonly addresses: [number, number][] } {
  const found: Match[] = [];
  const addresses: [number, number][] = [];
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0];
    addresses.push([match.index, match.index + address.length]);
    const { scheme = "", user = "", password = "" } = USER_INFO.exec(address)?.groups ?? {};
    if (password !== "" && !EXAMPLE.test(password)) {
      const start = match.index + scheme.length + user.length + 1;
      found.push({ rule: "password-in-url", start, end: start + password.length, shown: `${scheme}${user}:` });
    }
    for (const parameter of address.matchAll(SECRET_PARAMETER)) {
      const { name = "", value = "" } = parameter.groups ?? {};
      if (EXAMPLE.test(value) || /^[a-z]+(?:[-_][a-z]+)*$/i.test(value)) continue;
      const end = match.index + parameter.index + parameter[0].length;
      found.push({ rule: "password-in-url", start: end - value.length, end, shown: `${name}=` });
    }
  }
  return { found, addresses };
}
