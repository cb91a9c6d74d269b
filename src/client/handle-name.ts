import { type Did, isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import { type Handle, parseHandle } from "../../keys/identity/handle.js";

/** What a person may call an agent by, in its one spelling. */
export type Name =
  | { readonly kind: "did"; readonly text: Did }
  | { readonly kind: "handle"; readonly text: string; readonly handle: Handle };

/**
 * Reads `did:ants:…`, `name@host[:port]`, `name.example.com`, the last two also with an @ before them and in any case:
 * that is how they are written in talk. Throws AntsError "name-syntax" for anything else.
 */
export function parseName(text: string): Name {
  if (isDid(text)) return { kind: "did", text };
  const spelled = text.replace(/^@/, "").replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const handle = parseHandle(spelled);
  if (handle !== undefined) return { kind: "handle", text: spelled, handle };
  throw new AntsError("name-syntax", `expected a handle or a DID, got ${JSON.stringify(text.slice(0, 80))}`, {
    hint: "write it like scout@relay.example, scout.example.com or did:ants:…; international names in their xn-- form",
  });
}
