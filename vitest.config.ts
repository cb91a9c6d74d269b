import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Pure modules are tested from source (`../../keys/canonical.js`); whatever starts threads or processes is tested as
 * it ships, through the package's own name, which leads to dist/. `npm test` builds first.
 */
export default defineConfig({
  resolve: {
    alias: [
      { find: "#errors", replacement: at("./src/protocol/error-table/node.ts") },
      { find: "#lookup", replacement: at("./src/client/lookup/node.ts") },
      { find: "#platform", replacement: at("./keys/platform/node.ts") },
      { find: "#socket", replacement: at("./src/client/socket/node.ts") },
      { find: /^ants-agent$/, replacement: at("./dist/src/index.js") },
      { find: /^ants-agent\/agent$/, replacement: at("./dist/src/agent/index.js") },
      { find: /^ants-agent\/keys$/, replacement: at("./dist/keys/index.js") },
      { find: /^ants-agent\/keys\/node$/, replacement: at("./dist/keys/node/index.js") },
      { find: /^ants-agent\/relay$/, replacement: at("./dist/relay/index.js") },
      { find: /^ants-agent\/testing$/, replacement: at("./dist/relay/testing.js") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/**/*.long.test.ts", "test/system/**"],
    server: { deps: { external: [/\/dist\//] } },
    // Against tests that hang; a machine that is busy with other work is no reason to fail.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    pool: "forks",
    // Much of it waits for disks and child processes.
    maxWorkers: "100%",
  },
});
