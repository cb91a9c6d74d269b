import { describe, expect, test } from "vitest";
import { addressGroup, clientAddress } from "../../../relay/server/client-address.js";

describe("the address that limits count by", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:0001:0002::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
  ])("of %s is %s", (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });

  const request = (forwarded: string | undefined) =>
    ({ headers: { "x-forwarded-for": forwarded }, socket: { remoteAddress: "::ffff:127.0.0.1" } }) as never;

  test("is the proxy's word only where a proxy is trusted", () => {
    expect(clientAddress(request("198.51.100.1, 192.0.2.7"), false)).toBe("127.0.0.1");
    expect(clientAddress(request("198.51.100.1, 192.0.2.7"), true)).toBe("192.0.2.7");
    expect(clientAddress(request(undefined), true)).toBe("127.0.0.1");
  });
});
