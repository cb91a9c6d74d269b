import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { encodeFrame } from "../../src/protocol/frame.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { NamedAuthor } from "../relay/server/named-author.js";
import { NO_RATES, RelayProcess } from "../support/relay-process.js";

const AGENTS = 40;

async function publish(at: RelayProcess, lines: readonly string[]): Promise<string> {
  const body = encodeFrame({ t: "publish", ref: 1, epoch: 1 }, [...lines]) as Uint8Array<ArrayBuffer>;
  const answer = await fetch(`${at.httpUrl}/entries`, { method: "POST", body });
  const { t, code } = (await answer.json()) as { t: string; code?: string };
  return code ?? t;
}

/** Whose each name is, as others hear it. */
async function names(at: RelayProcess): Promise<Record<string, string | number>> {
  const found: Record<string, string | number> = {};
  for (let i = 0; i < AGENTS; i++) {
    const resource = `acct:name${i}@${new URL(at.url).host}`;
    const response = await fetch(`${at.httpUrl}/.well-known/webfinger?resource=${resource}`);
    const { aliases } = (await response.json()) as { aliases?: string[] };
    found[resource] = aliases?.[0] ?? response.status;
  }
  return found;
}

it("gives each name to the same agent after kill -9, with and without its index", { timeout: 60_000 }, async () => {
  const data = temporaryFolder();
  let first: Record<string, string | number>;
  let host: string;
  {
    await using relay = await RelayProcess.start({ data, flags: NO_RATES });
    host = new URL(relay.url).host;
    const agents = Array.from({ length: AGENTS }, (_, i) => new NamedAuthor({ handles: [`name${i}@${host}`] }));
    for (const [i, agent] of agents.entries()) {
      expect(await publish(relay, [agent.newest.line, agent.claim()])).toBe("ack");
      if (i % 3 === 0) expect(await publish(relay, [agent.update({ handles: [] })])).toBe("ack");
    }
    first = await names(relay);
    await relay.kill("SIGKILL");
  }
  expect(Object.values(first).filter((answer) => answer === 404)).toHaveLength(Math.ceil(AGENTS / 3));
  for (const loses of [false, true]) {
    if (loses) rmSync(join(data, "index"), { recursive: true });
    // The same port, since it is part of the names.
    await using relay = await RelayProcess.start({
      data,
      flags: [...NO_RATES, "--port", new URL(`ws://${host}`).port],
    });
    expect(await names(relay)).toEqual(first);
    for (const i of [0, 1]) {
      const thief = new NamedAuthor({ handles: [`name${i}@${host}`] });
      expect(await publish(relay, [thief.newest.line])).toBe("handle-taken");
    }
    await relay.kill("SIGKILL");
  }
});
