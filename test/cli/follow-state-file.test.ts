import { mkdirSync, rmSync } from "node:fs";
import { expect, it } from "vitest";
import { isAntsError } from "../../keys/errors.js";
import { FollowStateFile } from "../../src/cli/follow-state-file.js";
import { EMPTY_STATE } from "../../src/client/follow-state.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

it("says what keeps a state from being written: with the next item, and at the end", async () => {
  const folder = `${temporaryFolder()}/states`;
  mkdirSync(folder);
  const file = await FollowStateFile.open(`${folder}/follow.json`, "everything");
  let asked = 0;
  file.watch({
    state: () => {
      asked += 1;
      return EMPTY_STATE;
    },
  });
  rmSync(folder, { recursive: true });
  file.taken();
  file.printed();
  await expect.poll(() => asked).toBe(1);
  const told = () => {
    try {
      file.printed();
      return undefined;
    } catch (error) {
      return isAntsError(error) ? error.code : error;
    }
  };
  await expect.poll(told).toBe("disk-failed");
  await expect(file.flush()).rejects.toMatchObject({ code: "disk-failed" });
});
