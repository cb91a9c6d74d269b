import { expect, it } from "vitest";
import { isPrivateAddress, isPrivateHost } from "../../src/client/private-hosts.js";

it("knows the hosts of one's own machine and network, however they are written", () => {
  for (const host of [
    "localhost",
    "a.localhost",
    "localhost.",
    "router",
    "printer.local",
    "metadata.google.internal",
    "127.0.0.1",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[fe80::1]",
    "[fd00::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[2002:7f00:1::]",
    "[2001:db8::1]",
  ]) {
    expect(isPrivateHost(`wss://${host}`), host).toBe(true);
  }
});

it("lets public ones pass", () => {
  for (const host of [
    "relay.example",
    "local.example",
    "1.1.1.1",
    "172.15.0.1",
    "172.32.0.1",
    "100.128.0.1",
    "192.169.0.1",
    "[2606:4700::1111]",
    "[::ffff:1.1.1.1]",
    "[2002:101:101::]",
  ]) {
    expect(isPrivateHost(`wss://${host}:7777`), host).toBe(false);
  }
  expect(isPrivateAddress("fe80::1%eth0")).toBe(true);
  expect(isPrivateAddress("relay.example")).toBe(false);
});
