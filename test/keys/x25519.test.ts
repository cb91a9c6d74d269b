import { createPrivateKey, createPublicKey } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { base64url, fromBase64url, fromHex, hex } from "../../keys/bytes.js";
import { x25519PublicKey } from "../../keys/x25519.js";

/** The same by OpenSSL: a PKCS #8 wrapping (RFC 8410) around the 32 bytes. */
function byOpenSsl(secret: Uint8Array): Uint8Array {
  const der = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret]);
  const jwk = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" })).export({ format: "jwk" });
  return fromBase64url(jwk.x!, 32);
}

test("agrees with OpenSSL on every secret", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
      expect(base64url(x25519PublicKey(secret))).toBe(base64url(byOpenSsl(secret)));
    }),
  );
});

test.each(["00", "ff", "08", "80"])("agrees with OpenSSL on 32 bytes of %s", (byte) => {
  const secret = fromHex(byte.repeat(32));
  expect(hex(x25519PublicKey(secret))).toBe(hex(byOpenSsl(secret)));
});

test("clamps as RFC 7748 says: bits that it ignores change nothing, and its argument stays as it is", () => {
  const secret = fromHex(`${"07".repeat(31)}c7`);
  const before = hex(secret);
  expect(hex(x25519PublicKey(fromHex(`00${"07".repeat(30)}47`)))).toBe(hex(x25519PublicKey(secret)));
  expect(hex(secret)).toBe(before);
});

test("refuses a secret that is not 32 bytes", () => {
  expect(() => x25519PublicKey(new Uint8Array(31))).toThrow(expect.objectContaining({ code: "x25519-secret" }));
});
