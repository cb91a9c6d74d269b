/**
 * Hosts that only mean something inside the network of whoever dials them. An author chooses the relays that its
 * identity log names, and must not choose what a reader's own machine or network is asked.
 */

/** IPv4 blocks that are not of the public internet: [first address, prefix length]. */
const PRIVATE_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
];
/** Names that resolvers answer from the machine or its network. */
const PRIVATE_NAMES = /(^|\.)(localhost|local|internal|lan|home\.arpa)$/;

/** Whether the host of a URL is such a one by its name or literal address; names are not resolved here. */
export function isPrivateHost(url: string): boolean {
  // A URL spells every IPv4 address as four decimals, whatever it was written as.
  const { hostname } = new URL(url);
  if (hostname.startsWith("[")) return isPrivateAddress(hostname.slice(1, -1));
  const name = hostname.replace(/\.$/, "");
  return isPrivateAddress(name) || PRIVATE_NAMES.test(name) || !name.includes(".");
}

/** Whether a literal IPv4 or IPv6 address is not of the public internet; false for whatever is no address. */
export function isPrivateAddress(address: string): boolean {
  const v4 = fromV4(address);
  if (v4 !== undefined) return isPrivateV4(v4);
  const groups = fromV6(address);
  if (groups === undefined) return false;
  const [first, second] = groups as [number, number];
  const embedded = embeddedV4(groups);
  if (embedded !== undefined) return isPrivateV4(embedded);
  // Only 2000::/3 is public; unique-local, link-local, multicast, loopback and unspecified lie outside of it.
  return first >>> 13 !== 1 || (first === 0x2001 && second === 0x0db8);
}

function isPrivateV4(address: number): boolean {
  return PRIVATE_V4.some(([first, length]) => (address ^ fromV4(first)!) >>> (32 - length) === 0);
}

function fromV4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The eight groups of an IPv6 address. */
function fromV6(text: string): number[] | undefined {
  const bare = text.replace(/%.*$/, "");
  if (!bare.includes(":")) return undefined;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  const v4 = tail === null ? undefined : fromV4(tail[2]!);
  const plain = v4 === undefined ? bare : `${tail![1]}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  const [left = "", right] = plain.split("::");
  const groupsOf = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groupsOf(left), groupsOf(right ?? "")];
  const zeros = right === undefined ? 0 : 8 - before.length - after.length;
  if (zeros < 0 || before.length + zeros + after.length !== 8) return undefined;
  const groups = [...before, ...Array<number>(zeros).fill(0), ...after];
  return groups.every((group) => group >= 0 && group <= 0xffff) ? groups : undefined;
}

/** The IPv4 address inside of a mapped, translated (64:ff9b::/96) or 6to4 one. */
function embeddedV4(groups: readonly number[]): number | undefined {
  const [first, second] = groups as [number, number];
  const at = (i: number) => groups[i]! * 65_536 + groups[i + 1]!;
  const zeros = (from: number, to: number) => groups.slice(from, to).every((group) => group === 0);
  if (zeros(0, 5) && groups[5] === 0xffff) return at(6);
  if (first === 0x64 && second === 0xff9b && zeros(2, 6)) return at(6);
  return first === 0x2002 ? at(1) : undefined;
}
