import { describe, expect, test } from "vitest";
import { isHandle, parseHandle } from "../../../keys/identity/handle.js";
import { isRelayUrl, normalizeRelayUrl } from "../../../keys/identity/relay-url.js";
import { codeOf } from "../code-of.js";

const label = "a".repeat(63);
const longestHost = [label, label, label, "a".repeat(61)].join(".");

describe("the URL of a relay", () => {
  test.each([
    "wss://relay.example",
    "ws://127.0.0.1:7777",
    "ws://localhost:8080",
    "wss://[2001:db8::1]:8443",
    "wss://relay.example/ants/v1",
    "wss://xn--bcher-kva.example",
    "ws://relay.example:443",
    `wss://${longestHost}`,
  ])("may be %s, which is its own normal form", (url) => {
    expect(isRelayUrl(url)).toBe(true);
    expect(normalizeRelayUrl(url)).toBe(url);
  });

  test.each([
    "",
    "relay.example",
    "https://relay.example",
    "wss://",
    "wss://relay.example/",
    "wss://relay.example//a",
    "wss://Relay.example",
    "WSS://relay.example",
    "wss://relay.example:443",
    "ws://relay.example:80",
    "wss://relay.example:0443",
    "wss://relay.example:65536",
    "wss://user@relay.example",
    "wss://relay.example?x=1",
    "wss://relay.example#x",
    "wss://relay.example/a/../b",
    "wss://relay.example/..",
    "wss://relay.example/%41",
    "wss://relay..example",
    "wss://-relay.example",
    "wss://relay.example.",
    "wss://relay_1.example",
    "wss://bücher.example",
    " wss://relay.example",
    "wss://relay.example\n",
    `wss://${longestHost}a`,
    `wss://relay.example/${"a".repeat(500)}`,
  ])("is never %j", (url) => {
    expect(isRelayUrl(url)).toBe(false);
  });

  test.each([
    ["wss://relay.example/", "wss://relay.example"],
    [" WSS://Relay.Example:443/ants/ ", "wss://relay.example/ants"],
    ["ws://127.0.0.1:80", "ws://127.0.0.1"],
    ["wss://bücher.example", "wss://xn--bcher-kva.example"],
    ["wss://relay.example/a/../b", "wss://relay.example/b"],
  ])("typed as %j becomes %s", (typed, url) => {
    expect(normalizeRelayUrl(typed)).toBe(url);
  });

  test.each(["relay.example", "https://relay.example", "wss://", "wss://u:p@relay.example", "wss://relay.example?x"])(
    "cannot be made of %j",
    (typed) => {
      expect(codeOf(() => normalizeRelayUrl(typed))).toBe("relay-url");
    },
  );
});

describe("a handle", () => {
  test.each([
    ["scout@relay.example", { kind: "account", name: "scout", host: "relay.example" }],
    ["a@b", { kind: "account", name: "a", host: "b" }],
    ["my.agent_2-x@localhost:8080", { kind: "account", name: "my.agent_2-x", host: "localhost", port: 8080 }],
    ["scout@127.0.0.1:7777", { kind: "account", name: "scout", host: "127.0.0.1", port: 7777 }],
    ["scout.example.com", { kind: "domain", host: "scout.example.com" }],
    ["xn--ls8h.test", { kind: "domain", host: "xn--ls8h.test" }],
    ["120.0.0.1.com", { kind: "domain", host: "120.0.0.1.com" }],
  ])("%s is read", (text, handle) => {
    expect(parseHandle(text)).toEqual(handle);
    expect(isHandle(text)).toBe(true);
  });

  test.each([
    "",
    "scout",
    "localhost",
    "Scout.example.com",
    "SCOUT@relay.example",
    "@scout@relay.example",
    "scout@",
    "@relay.example",
    "scout@relay.example:0",
    "scout@relay.example:65536",
    "scout@relay.example/x",
    "scout@re@lay.example",
    "-scout@relay.example",
    "scout.@relay.example",
    `${"a".repeat(65)}@relay.example`,
    "scout@.example",
    "scout@relay..example",
    "127.0.0.1",
    "john.0",
    "jo_hn.test",
    "john..test",
    "john.test.",
    ".john.test",
    "-john.test",
    "john-.test",
    "john.test ",
    "bücher.test",
    `${longestHost}.com`,
    "did:ants:x",
  ])("%j is none", (text) => {
    expect(parseHandle(text)).toBeUndefined();
    expect(isHandle(text)).toBe(false);
  });
});
