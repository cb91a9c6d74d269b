import { CLIENT_ERRORS } from "../error-rows/client.js";
import { HANDLE_ERRORS } from "../error-rows/handles.js";
import { IDENTITY_ERRORS } from "../error-rows/identity.js";
import { MESSAGE_ERRORS } from "../error-rows/messages.js";
import { PEN_ERRORS } from "../error-rows/pen.js";
import { PHRASE_ERRORS } from "../error-rows/phrase.js";
import { RELAY_ERRORS } from "../error-rows/relay.js";
import { RESOLUTION_ERRORS } from "../error-rows/resolution.js";
import type { ErrorRow } from "../error-rows/row.js";
import { STATEMENT_ERRORS } from "../error-rows/statements.js";

/** The rows of every code that a page can meet: what the root door and the door of the keys throw, and what relays answer. */
export const ROWS = {
  ...CLIENT_ERRORS,
  ...HANDLE_ERRORS,
  ...IDENTITY_ERRORS,
  ...MESSAGE_ERRORS,
  ...PEN_ERRORS,
  ...PHRASE_ERRORS,
  ...RELAY_ERRORS,
  ...RESOLUTION_ERRORS,
  ...STATEMENT_ERRORS,
} as const satisfies Record<string, ErrorRow>;
