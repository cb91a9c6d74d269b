// Bundles the simulation of a source tree, this one or a mutated copy of it, into one module and loads it: what is
// simulated is the production source as it is in that tree.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** The ends of conditional imports: signatures are checked once, and nothing real is dialled. */
const ENDS = {
  "#errors": "src/protocol/error-table/node.ts",
  "#platform": "test/simulation/pen/platform.ts",
  "#socket": "test/simulation/pen/no-socket.ts",
  "#lookup": "src/client/lookup/web.ts",
};

/** Modules whose readers remember, in a run, what a line was read as; see test/simulation/pen/remembered/lines.ts. */
const REMEMBERED = new Map([
  ["keys/identity/operation.ts", "operation.ts"],
  ["src/protocol/entry.ts", "entry.ts"],
  ["src/protocol/event.ts", "event.ts"],
  ["src/protocol/promise.ts", "promise.ts"],
]);

/**
 * Bundles test/simulation/pen/entry.ts of a tree into a folder; resolves with the module's path. Throws where the tree
 * does not bundle.
 */
export async function bundleSimulation(root, folder) {
  const outfile = join(folder, "simulation.mjs");
  await build({
    entryPoints: [join(root, "test/simulation/pen/entry.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "silent",
    sourcemap: "linked",
    inject: [join(root, "test/simulation/pen/abort.ts")],
    // Native modules are found from the tree, wherever the bundle lies.
    define: { "import.meta.url": JSON.stringify(pathToFileURL(join(root, "package.json")).href) },
    plugins: [
      {
        name: "stand-ins",
        setup({ onResolve }) {
          onResolve({ filter: /^#(errors|platform|socket|lookup)$/ }, ({ path }) => ({ path: join(root, ENDS[path]) }));
          const folder = join(root, "test/simulation/pen/remembered");
          onResolve({ filter: /\/(operation|entry|event|promise)\.js$/ }, ({ path, resolveDir }) => {
            const stand = REMEMBERED.get(relative(root, join(resolveDir, path)).replace(/\.js$/, ".ts"));
            return stand === undefined || resolveDir === folder ? undefined : { path: join(folder, stand) };
          });
        },
      },
    ],
  });
  return outfile;
}

/** Resolves with what test/simulation/pen/entry.ts exports. Throws where the tree does not bundle. */
export async function loadSimulation(root) {
  const folder = mkdtempSync(join(tmpdir(), "ants-sim-"));
  try {
    return await import(pathToFileURL(await bundleSimulation(root, folder)).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
