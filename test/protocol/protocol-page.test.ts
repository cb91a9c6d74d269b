import { spawnSync } from "node:child_process";
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(`${root}docs/protocol.md`, "utf8");

/** The block of the page that shows one computed value. */
function value(name: string): string {
  return new RegExp(`<!-- value: ${name} -->\\n\`\`\`\\w*\\n(.*?)\\n\`\`\``, "s").exec(page)![1]!;
}

/** One row of a block of `name  value` lines. */
function row(name: string, label: string): string {
  return value(name)
    .split("\n")
    .find((line) => line.startsWith(label))!
    .slice(label.length)
    .trim();
}

test("the worked example is what the code computes", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/protocol-example.mjs", "--check"], { cwd: root });
  expect(String(stderr)).toBe("");
  expect(status).toBe(0);
});

/**
 * What a stranger would write from the page alone: nothing here comes from the project's sources. Values of flat
 * objects are written by a serialiser that sorts keys, which is all of RFC 8785 that ASCII and integers need.
 */
describe("a stranger's code agrees with the worked example", () => {
  const sha256 = (...parts: (string | Buffer)[]) => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const jcs = (data: unknown): string =>
    Array.isArray(data)
      ? `[${data.map(jcs).join(",")}]`
      : typeof data === "object" && data !== null
        ? `{${Object.entries(data)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, field]) => `${JSON.stringify(name)}:${jcs(field)}`)
            .join(",")}}`
        : JSON.stringify(data);
  const without = (data: Record<string, unknown>, ...names: string[]) =>
    Object.fromEntries(Object.entries(data).filter(([name]) => !names.includes(name)));
  const publicKey = (hex: string) =>
    createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(hex, "hex").toString("base64url") },
      format: "jwk",
    });
  const author = publicKey(row("key", "public key"));
  const node = (left: Buffer, right: Buffer) => sha256(Buffer.of(1), left, right);
  const leaf = (id: Buffer) => sha256(Buffer.of(0), id);
  const signed = (statement: Record<string, string>, tag: string) =>
    verify(null, Buffer.from(tag + jcs(without(statement, "sig"))), author, Buffer.from(statement.sig!, "base64url"));

  const genesis = JSON.parse(value("genesis"));
  const promise = JSON.parse(value("promise"));
  const [claim, note] = ["claim", "note"].map((name) => JSON.parse(value(name)));

  test("every line is its own canonical form", () => {
    for (const name of ["genesis", "promise", "claim", "note", "pruned", "auth"]) {
      expect(jcs(JSON.parse(value(name)))).toBe(value(name));
    }
  });

  test("hash of the genesis and DID", () => {
    const hash = sha256("ants/identity/1\n", jcs(without(genesis, "sigs")));
    expect(hash.toString("hex")).toBe(row("did", "hash"));
    const bits = [...hash].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    const digits = bits
      .match(/.{1,5}/g)!
      .map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five.padEnd(5, "0"), 2)]);
    expect(`did:ants:${digits.join("")}`).toBe(row("did", "did "));
    expect(claim.body.identity).toBe(row("did", "hash"));
  });

  test("ids, batch root and signature of both events, the pruned line too", () => {
    for (const event of [claim, note, JSON.parse(value("pruned"))]) {
      const header = jcs(without(event, "id", "sig", "proof", "body", "bodyHash", "salt"));
      const bodyHash = event.bodyHash ?? sha256(jcs(event.body)).toString("hex");
      const id = sha256("ants/event/1\n", header, "\n", bodyHash);
      expect(id.toString("hex")).toBe(event.id);
      const sibling = Buffer.from(event.proof.path[0], "base64url");
      const top = event.proof.index === 0 ? node(leaf(id), sibling) : node(sibling, leaf(id));
      expect(top.toString("hex")).toBe(row("batch", "root"));
      const message = Buffer.concat([Buffer.from(`ants/batch/1\n${event.proof.size}\n`), top]);
      expect(message.toString("hex")).toBe(row("batch", "signed"));
      expect(verify(null, message, author, Buffer.from(event.sig, "base64url"))).toBe(true);
    }
    expect(note.prev).toBe(claim.id);
  });

  test("signatures of promise and auth line", () => {
    expect(signed(promise, "ants/promise/1\n")).toBe(true);
    expect(signed(JSON.parse(value("auth")), "ants/auth/1\n")).toBe(true);
  });

  test("root of the log, cursor and signed tree head", () => {
    const promiseId = sha256("ants/promise/1\n", jcs(without(promise, "sig")));
    const ids = [
      Buffer.from(row("did", "hash"), "hex"),
      promiseId,
      Buffer.from(claim.id, "hex"),
      Buffer.from(note.id, "hex"),
    ];
    const [a, b, c, d] = ids.map(leaf);
    const top = node(node(a!, b!), node(c!, d!));
    expect(row("root", "root after 4 entries")).toBe(top.toString("hex"));
    expect(row("root", "cursor")).toBe(`0123456789abcdef.4.${top.toString("hex").slice(0, 8)}`);

    const [text, signature] = value("checkpoint").split("\n\n");
    expect(text).toBe(`relay.example/0123456789abcdef\n4\n${top.toString("base64")}`);
    const [, name, encoded] = signature!.split(" ");
    expect(name).toBe("relay.example/0123456789abcdef");
    const bytes = Buffer.from(encoded!, "base64");
    const relayKey = base58(value("relayKey").slice(1)).subarray(2);
    expect(bytes.subarray(0, 4)).toEqual(sha256(`${name}\n`, Buffer.of(1), relayKey).subarray(0, 4));
    expect(verify(null, Buffer.from(`${text}\n`), publicKey(relayKey.toString("hex")), bytes.subarray(4))).toBe(true);
  });

  function base58(text: string): Buffer {
    const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let number = 0n;
    for (const digit of text) number = number * 58n + BigInt(digits.indexOf(digit));
    return Buffer.from(number.toString(16).padStart(68, "0"), "hex");
  }
});
