/** Name and version of this software, as a relay states them. */
import { readFileSync } from "node:fs";

const { name, version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  name: string;
  version: string;
};

/** For people: nothing may depend on it. */
export const SOFTWARE = `${name}/${version}`;
