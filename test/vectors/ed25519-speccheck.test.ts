import { expect, test } from "vitest";
import { fromHex } from "../../keys/bytes.js";
import { ed25519Backends, verifyStrict } from "../../keys/ed25519/index.js";
import { describeVectors } from "./shared-vectors.js";

interface SpeccheckCase {
  message: string;
  pub_key: string;
  signature: string;
}

describeVectors("ed25519-speccheck", "ed25519-speccheck", (origin) => {
  const cases = origin.json<SpeccheckCase[]>("cases.json");

  test.each([undefined, ...ed25519Backends()])("backend %s accepts case 3 and no other of the twelve", (backend) => {
    expect(cases).toHaveLength(12);
    const accepted = cases.flatMap(({ message, pub_key, signature }, i) =>
      verifyStrict(fromHex(signature), fromHex(message), fromHex(pub_key), backend) ? [i] : [],
    );
    expect(accepted).toEqual([3]);
  });
});
