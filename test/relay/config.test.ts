import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { limitsOf, parseRelayConfig, relayConfigFields, resolveRelayConfig } from "../../relay/config.js";
import { relayConfigTable, sampleRelayConfig } from "../../relay/config-text.js";
import { DEFAULT_LIMITS } from "../../src/protocol/limits.js";
import { codeOf } from "../keys/code-of.js";

const file = (text: string) => ({ path: "relay.toml", text });

describe("the settings of a relay", () => {
  test("come from flags before the environment before the file before the defaults", () => {
    const sources = {
      flags: { port: "1", name: undefined },
      env: { ANTS_RELAY_PORT: "2", ANTS_RELAY_NAME: "from the environment", HOME: "/root" },
      file: file('port = 3\nname = "from the file"\nhost = "0.0.0.0"\n'),
    };
    expect(resolveRelayConfig(sources)).toMatchObject({
      port: 1,
      name: "from the environment",
      host: "0.0.0.0",
      data: "ants-relay-data",
    });
  });

  test("read the same from text and from values", () => {
    const typed = resolveRelayConfig({ flags: { entriesPerSecond: 0, trustProxy: true, logLevel: "warn" } });
    const text = resolveRelayConfig({ flags: { entriesPerSecond: "0", trustProxy: "true", logLevel: "warn" } });
    expect(text).toEqual(typed);
    expect(resolveRelayConfig({ env: { ANTS_RELAY_SEGMENT_BYTES: "1_048_576" } }).segmentBytes).toBe(1_048_576);
  });

  test("spell the public URL in the one way in which agents name it", () => {
    const spelled = (publicUrl: string) => resolveRelayConfig({ flags: { publicUrl } }).publicUrl;
    expect(spelled("WSS://Relay.Example:443/")).toBe("wss://relay.example");
    expect(spelled("")).toBe("");
  });

  test("state the protocol's limits unless told otherwise", () => {
    expect(limitsOf(parseRelayConfig({}))).toEqual(DEFAULT_LIMITS);
    expect(limitsOf(parseRelayConfig({ maxFollows: 3 })).maxFollows).toBe(3);
  });

  test.each([
    ["a name that no setting has, in the file", { file: file("prot = 1") }, "config-unknown"],
    ["a name that no setting has, in the environment", { env: { ANTS_RELAY_PROT: "1" } }, "config-unknown"],
    ["a name that no setting has, as a flag", { flags: { prot: 1 } }, "config-unknown"],
    ["a number out of its range", { flags: { port: "70000" } }, "config-value"],
    ["text where a number belongs", { env: { ANTS_RELAY_PORT: "many" } }, "config-value"],
    ["a number where text belongs", { file: file("name = 7") }, "config-value"],
    ["a word that is no choice", { flags: { logLevel: "loud" } }, "config-value"],
    ["neither yes nor no", { env: { ANTS_RELAY_TRUST_PROXY: "perhaps" } }, "config-value"],
    ["a URL of another kind", { flags: { publicUrl: "https://relay.example" } }, "config-value"],
    ["a limit above the protocol's", { flags: { maxFrameBytes: 2 ** 21 } }, "config-value"],
    ["a file that is no TOML", { file: file("port = ") }, "config-file"],
  ])("refuse %s", (_, sources, code) => {
    expect(codeOf(() => resolveRelayConfig(sources))).toBe(code);
  });

  test("name the setting and where it was set when they are refused", () => {
    expect(() => resolveRelayConfig({ env: { ANTS_RELAY_PORT: "70000" } })).toThrow(/^ANTS_RELAY_PORT: /);
    expect(() => resolveRelayConfig({ file: file("port = 70000") })).toThrow(/^relay\.toml: port: /);
    expect(() => resolveRelayConfig({ flags: { port: "x" } })).toThrow(/^--port: /);
  });

  test("each have a unit, a default that passes its own check, and a description", () => {
    for (const field of relayConfigFields()) {
      expect(field.unit, field.name).not.toBe("");
      expect(field.description, field.name).toMatch(/^[A-Z].*\.$/);
      expect(parseRelayConfig({ [field.name]: field.default })).toEqual(parseRelayConfig({}));
      expect(resolveRelayConfig({ env: { [field.variable]: String(field.default) } })).toEqual(parseRelayConfig({}));
    }
  });

  test("fill a sample file that reads back as the defaults", () => {
    const uncommented = sampleRelayConfig().replace(/^# ([a-z_]+ = )/gm, "$1");
    expect(Object.keys(parse(uncommented))).toEqual(relayConfigFields().map(({ key }) => key));
    expect(resolveRelayConfig({ file: file(uncommented) })).toEqual(parseRelayConfig({}));
    expect(resolveRelayConfig({ file: file(sampleRelayConfig()) })).toEqual(parseRelayConfig({}));
  });

  test("are all in the page of the documentation", () => {
    const script = fileURLToPath(new URL("../../scripts/config-doc.mjs", import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const { flag } of relayConfigFields()) expect(relayConfigTable()).toContain(`\`${flag}\``);
  });
});
