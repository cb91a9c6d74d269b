import { createRequire } from "node:module";

/** This package's version, by the package's own name: the same from the sources and from dist/. */
export const VERSION: string = createRequire(import.meta.url)("ants-agent/package.json").version;
