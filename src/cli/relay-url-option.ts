import { isAntsError } from "../../keys/errors.js";
import { normalizeRelayUrl } from "../../keys/identity/relay-url.js";
import { usageError } from "./usage.js";

/** What a person typed after --relay, in the one spelling of relay URLs. Throws AntsError "usage". */
export function relayUrl(text: string, command: string): string {
  try {
    return normalizeRelayUrl(text);
  } catch (error) {
    if (!isAntsError(error, "relay-url")) throw error;
    throw usageError(`--relay ${text}: expected an address like wss://relay.example or ws://127.0.0.1:7400`, command);
  }
}
