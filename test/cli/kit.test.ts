import { describe, expect, it } from "vitest";
import { fromHex } from "../../keys/bytes.js";
import { fingerprintOf } from "../../keys/did.js";
import { phraseOf } from "../../keys/phrase.js";
import { kitHtml } from "../../src/cli/kit/html.js";
import { type Kit, kitCommands } from "../../src/cli/kit/kit.js";
import { kitText } from "../../src/cli/kit/text.js";

const did = `did:ants:${"abcdefghijklmnopqrstuvwxyz234567".repeat(2).slice(0, 51)}q` as const;
const kit: Kit = {
  did,
  fingerprint: fingerprintOf(did),
  label: "scout",
  handles: ["scout@relay.example", "scout.example.com"],
  relays: ["a", "b", "c"].map((name, i) => ({ url: `wss://${name}.example`, stream: String(i).repeat(16) })),
  home: "/home/ants/ants",
  vault: "/home/ants/.local/share/ants/vaults/abc.json",
  date: "2026-11-21",
  version: "0.0.0",
};
const { words, check } = phraseOf(fromHex("11".repeat(32)));
const written = [...words.split(" "), check];

describe("a recovery kit", () => {
  it("is this text", async () => {
    await expect(kitText(kit)).toMatchFileSnapshot("../fixtures/kit/kit.txt");
  });

  it("is this page", async () => {
    await expect(kitHtml(kit)).toMatchFileSnapshot("../fixtures/kit/kit.html");
  });

  it("has the words only when it is given them", () => {
    for (const form of [kitText, kitHtml]) {
      const sheet = form({ ...kit, words: written });
      for (const word of written) expect(sheet).toContain(word);
      expect(sheet).not.toContain("by hand");
      expect(form(kit)).toContain("by hand");
    }
  });

  it("names every relay in the commands that need one", () => {
    const recover = kitCommands(kit).filter(({ line }) => line.startsWith("ants recover"));
    expect(recover[0]!.line).toBe(
      "ants recover --relay wss://a.example --relay wss://b.example --relay wss://c.example",
    );
    expect(recover).toHaveLength(2);
  });

  it("does nothing that a label or handle says", () => {
    const hostile = `</td><script>alert(1)</script> " onload='x' & \u202e\u001b[31m\nants pwned`;
    const bad = { ...kit, label: hostile, handles: [hostile], home: hostile };
    const page = kitHtml(bad);
    expect(page).not.toMatch(/<script|\u202e|\u001b/);
    expect(page).toContain("&lt;script&gt;alert(1)");
    expect(page.match(/<[a-z][^>]* on\w+=/g)).toBeNull();
    const text = kitText(bad);
    expect(text).not.toMatch(/\u202e|\u001b/);
    expect(text.split("\n").filter((line) => line.startsWith("ants pwned"))).toEqual([]);
  });

  it("is a page that loads and runs nothing", () => {
    const page = kitHtml(kit);
    expect(page).not.toMatch(/<script|<link|<img|src=|href=|url\(|@import/);
    expect(page).toContain("default-src 'none'");
  });
});

describe("a fingerprint", () => {
  it("is the beginning of the DID in groups", () => {
    expect(kit.fingerprint).toBe("abcd-efgh-ijkl-mnop");
  });
});
