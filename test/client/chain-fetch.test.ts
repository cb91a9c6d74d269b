import { nodeDisk } from "ants-agent/keys/node";
import { expect, it } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { systemClock } from "../../keys/ports.js";
import { fetchChain } from "../../src/client/chain-fetch.js";
import { ChainStore } from "../../src/client/chain-store.js";
import type { RelayConnection } from "../../src/client/connection.js";
import { IdentityLog } from "../../src/client/identity-log.js";
import { Outbox } from "../../src/client/outbox.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { Author } from "../relay/server/author.js";

const stream = "0123456789abcdef";

it("a chain that takes longer than one round to read is read on in the next one", async () => {
  const author = new Author();
  const lines = [author.claim(), ...author.notes(199)].map((line) => utf8(line));
  const folder = temporaryFolder();
  const keys = new IdentityLog(author.did, [author.genesis.line]);
  const chain = await ChainStore.open({ disk: nodeDisk, folder: `${folder}/chain`, did: author.did, keys });
  const outbox = await Outbox.open(nodeDisk, `${folder}/outbox`, systemClock);
  const asked: string[] = [];
  let abort = new AbortController();
  // A slow line: the round of 10 s is over after 5 frames of 10 events.
  const connection = {
    url: "wss://slow.example",
    relay: { stream },
    async *follow({ after }: { after: string }) {
      asked.push(after);
      const from = after === "start" ? 0 : Number(after.split(".")[1]);
      for (let at = from, frames = 0; at < lines.length; at += 10, frames++) {
        if (frames === 5) abort.abort(new Error("the round is over"));
        abort.signal.throwIfAborted();
        const entries = lines.slice(at, at + 10);
        yield { message: { t: "entries", at: [], cursor: `c.${at + entries.length}` }, entries };
      }
      yield { message: { t: "caught-up", cursor: `c.${lines.length}` }, entries: [] };
    },
  } as unknown as RelayConnection;
  for (let round = 0; round < 5 && chain.head?.id !== author.head!.id; round++) {
    abort = new AbortController();
    await fetchChain({ connection, chain, outbox, wanted: author.head!, signal: abort.signal }).catch(() => undefined);
  }
  await outbox.close();
  await chain.close();
  expect(asked).toEqual(["start", "c.50", "c.100", "c.150"]);
  expect(chain.head?.seq).toBe(199);
});
