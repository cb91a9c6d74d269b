/** The relay as a library: `ants-agent/relay`. */
export type { ConfigField, ConfigSources, LogLevel, RelayConfig, RelayConfigInput } from "./config.js";
export { limitsOf, parseRelayConfig, relayConfigFields, resolveRelayConfig } from "./config.js";
export { relayConfigTable, sampleRelayConfig } from "./config-text.js";
export type { LogRecord, LogSink } from "./relay-log.js";
export type { Relay, StartOptions } from "./start.js";
export { startRelay } from "./start.js";
