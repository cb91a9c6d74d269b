// place.mjs PATH: would a key be kept there?
import { assertDurablePlace } from "ants-agent/keys/node";
import { report } from "./report.mjs";

await report(() => assertDurablePlace(process.argv[2]));
