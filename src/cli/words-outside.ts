import { resolve } from "node:path";
import { AntsError } from "../../keys/errors.js";
import { isInside } from "./places.js";

/** A home is copied, backed up and read: words never go into it. Throws AntsError "phrase-file". */
export async function assertOutsideHome(path: string, home: string): Promise<void> {
  if (!(await isInside(path, home))) return;
  throw new AntsError("phrase-file", `refused to write recovery words into the home ${home}`, {
    hint: "homes are copied and read: name a place outside",
    details: { path: resolve(path), home },
  });
}
