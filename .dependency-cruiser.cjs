// Five floors, imports only go down (docs/architecture.md). The build fails when a file reaches up or across.

/** What the browser-safe files may not reach: these are the Node ends of conditional imports. */
const NODE_ENDS =
  "^(keys/node/|keys/platform/node\\.ts$|keys/ed25519/(node|sodium)[^/]*\\.ts$|src/client/(socket/node|lookup/node[^/]*)\\.ts$)";

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "floor-1-keys",
      comment: "keys says who an agent is and imports nothing of ours",
      severity: "error",
      from: { path: "^keys/" },
      to: { path: "^(src|relay|bench|test|scripts)/" },
    },
    {
      name: "floor-2-protocol",
      comment: "src/protocol says what crosses the wire; it imports keys only",
      severity: "error",
      from: { path: "^src/protocol/" },
      to: { path: "^(src/(?!protocol/)|relay/|bench/|test/)" },
    },
    {
      name: "floor-3-client",
      comment: "the client never imports the relay, nor anything above it",
      severity: "error",
      from: { path: "^src/client/" },
      to: { path: "^(relay/|src/(agent|cli|mcp)/|src/[^/]+\\.ts$|bench/|test/)" },
    },
    {
      name: "floor-3-relay",
      comment: "the relay never imports the client, nor anything above it",
      severity: "error",
      from: { path: "^relay/" },
      to: { path: "^(src/(client|agent|cli|mcp)/|src/[^/]+\\.ts$|bench/|test/)" },
    },
    {
      name: "floor-4-agent",
      comment: "the agent's home and state know no programs",
      severity: "error",
      from: { path: "^src/agent/" },
      to: { path: "^(src/(cli|mcp)/|src/[^/]+\\.ts$|bench/|test/)" },
    },
    {
      name: "root-door",
      comment: "the package's root is browser-safe: keys, protocol and client only",
      severity: "error",
      from: { path: "^src/index\\.ts$" },
      to: { pathNot: "^(keys/|src/protocol/|src/client/)" },
    },
    {
      name: "browser-safe",
      comment: "keys, protocol and client run in a browser: Node's modules only behind a conditional import",
      severity: "error",
      from: { path: "^(keys/|src/protocol/|src/client/|src/index\\.ts$)", pathNot: NODE_ENDS },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "node-ends-stay-conditional",
      comment:
        "a Node end is reached through its subpath import (#errors, #lookup, #platform, #socket) or from Node-only code",
      severity: "error",
      from: { path: "^(keys/|src/protocol/|src/client/|src/index\\.ts$)", pathNot: NODE_ENDS },
      to: { path: NODE_ENDS },
    },
    {
      name: "no-cycles",
      comment: "a cycle means that two files are one thing, or that one of them knows too much",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-test-in-source",
      severity: "error",
      from: { path: "^(keys|src|relay|bench)/" },
      to: { path: "^test/" },
    },
    {
      name: "no-dev-dependencies-in-source",
      comment: "what ships may use only what is installed with it",
      severity: "error",
      from: { path: "^(keys|src|relay)/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "unknown", "undetermined"] },
    },
    {
      name: "resolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs"],
    },
  },
};
