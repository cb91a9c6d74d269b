import { describe, expect, test } from "vitest";
import { CensoringRelay } from "../../support/censoring-relay.js";
import { Author } from "./author.js";
import { Wire } from "./wire.js";

describe("a relay that drops one agent's events", () => {
  test("acknowledges them, has none of them, and serves everybody else", async () => {
    await using liar = await CensoringRelay.start();
    const [victim, other] = [new Author(), new Author()];
    await using wire = await Wire.open(liar.url);
    for (const author of [victim, other]) {
      expect((await wire.publish(author.begin(), 1)).t).toBe("ack");
    }
    liar.censored.add(victim.did);
    for (const author of [victim, other]) {
      expect(await wire.publish(author.notes(3), 1)).toMatchObject({
        t: "ack",
        at: [expect.any(Number), expect.any(Number), expect.any(Number)],
      });
    }
    expect(liar.dropped).toBe(3);
    const head = async (did: string) =>
      (await (await fetch(`${liar.url.replace(/^ws/, "http")}/agents/${did}/head`)).json()) as {
        head: { seq: number };
      };
    expect((await head(victim.did)).head.seq).toBe(0);
    expect((await head(other.did)).head.seq).toBe(3);
  });
});
