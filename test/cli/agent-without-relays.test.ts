import { expect, test } from "vitest";
import { temporaryFolder } from "../keys/node/temporary-folder.js";
import { foundAgent, TestAgent } from "../support/test-agent.js";

test("an agent whose identity names no relay is told so, and not left waiting for a quorum of none", async () => {
  await expect(TestAgent.open(foundAgent([]), { folder: temporaryFolder() })).rejects.toMatchObject({
    code: "no-relays",
  });
});
