// A test relay as a process: prints {url, position} when it is ready, closes in order on SIGTERM.
// argv: JSON of the options of startTestRelay.
import { startTestRelay } from "ants-agent/testing";

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
const relay = await startTestRelay({ ...JSON.parse(process.argv[2] ?? "{}"), signal: stop.signal });
process.stdout.write(`${JSON.stringify({ url: relay.url, position: relay.position })}\n`);
await relay.closed;
