// Bundles the simulation of a source tree, this one or a mutated copy of it, into one module and loads it: what is
// simulated is the production source as it is in that tree.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** The ends of conditional imports: signatures are checked once, and nothing real is dialled. */
const ENDS = {
  "#platform": "test/simulation/pen/platform.ts",
  "#socket": "test/simulation/pen/no-socket.ts",
  "#lookup": "src/client/lookup/web.ts",
};

/**
 * Resolves with `simulate` of test/simulation/pen/simulate.ts. `entry`: another module of the tree.
 * Throws where the tree does not bundle.
 */
export async function loadSimulation(root, { entry = "test/simulation/pen/simulate.ts", keepIn } = {}) {
  const folder = keepIn ?? mkdtempSync(join(tmpdir(), "ants-sim-"));
  const outfile = join(folder, "simulation.mjs");
  try {
    await build({
      entryPoints: [join(root, entry)],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      logLevel: "silent",
      sourcemap: keepIn === undefined ? false : "linked",
      // Native modules are found from the tree, wherever the bundle lies.
      inject: [join(root, "test/simulation/pen/abort.ts")],
      define: { "import.meta.url": JSON.stringify(pathToFileURL(join(root, "package.json")).href) },
      plugins: [
        {
          name: "conditional-ends",
          setup({ onResolve }) {
            onResolve({ filter: /^#(platform|socket|lookup)$/ }, ({ path }) => ({ path: join(root, ENDS[path]) }));
          },
        },
      ],
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    if (keepIn === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
