/**
 * The one table of every error code of the project: what it means, the way out, whether the same attempt may succeed
 * later, and the exit code of a program that ends with it. docs/errors.md is generated from it
 * (`node scripts/errors-doc.mjs`). Sorted by code.
 */
import { isAntsError } from "../../keys/errors.js";

/** Exit codes of the programs. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partlyDone: 3,
  refusedForSafety: 4,
  noVault: 10,
  wrongPassphrase: 11,
  lockedByAnother: 12,
  unreachable: 69,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ErrorRow {
  readonly meaning: string;
  readonly wayOut: string;
  /** True when the very same attempt may succeed later, with nothing changed by the caller. */
  readonly retryable: boolean;
  readonly exit: ExitCode;
}

/** An error that the same attempt meets again. */
function fatal(meaning: string, wayOut: string, exit: ExitCode = EXIT.failed): ErrorRow {
  return { meaning, wayOut, retryable: false, exit };
}

/** An error that may have passed when the same attempt is made later. */
function passing(meaning: string, wayOut: string, exit: ExitCode = EXIT.failed): ErrorRow {
  return { meaning, wayOut, retryable: true, exit };
}

const SIGN_AGAIN = "Create the statement anew; lines are never repaired.";
const CANONICAL = "Write RFC 8785 canonical JSON, as docs/protocol.md says under Bytes.";
const BUG_OR_DAMAGE = "Compare the line with its source; if this package made it, report a bug.";

export const ERRORS = {
  "audit-failed": fatal(
    "The demonstration found something missing, doubled or out of order.",
    "Report it with the lines above: this must never happen.",
  ),
  "auth-failed": fatal(
    "The auth line is for another connection or another relay, or its key is not live for the DID.",
    "Sign the challenge of this connection's hello and the URL that was dialled, with a live key.",
    EXIT.refusedForSafety,
  ),
  "auth-grammar": fatal("A field of an auth line breaks the grammar.", SIGN_AGAIN),
  "auth-required": fatal(
    "What was asked for is served only to an authenticated agent.",
    "Send an auth line first; see docs/protocol.md, Authentication.",
    EXIT.refusedForSafety,
  ),
  "backend-unknown": fatal(
    "An Ed25519 backend was named that does not exist or does not load here.",
    "Use one of ed25519Backends(), or none.",
  ),
  "bad-filter": fatal(
    "A filter names an unknown field or a value that cannot occur.",
    "Correct the filter.",
    EXIT.usage,
  ),
  "bad-frame": fatal("A frame is not an envelope line followed by entry lines.", "Correct the sender."),
  "bad-message": fatal("A message lacks a field or has one of the wrong form.", "Correct the sender."),
  "bad-range": fatal(
    "A proof was asked for positions or sizes that the log doesn't have.",
    "Ask for 1 to the log's length, the smaller number first.",
  ),
  "bad-request": fatal(
    "An HTTP request has a target, query or upgrade that the relay doesn't know.",
    "Correct the request; docs/protocol.md lists them under HTTP.",
  ),
  "bad-signature": fatal(
    "A signature does not verify under the key that its line names.",
    "Fetch the line from another relay; a relay that served it is broken or lies.",
  ),
  "batch-size": fatal("A batch has 1 to 256 events.", "Split the publication into several batches."),
  "body-file": fatal(
    "The file that was to be published cannot be read.",
    "Check its path and its mode; - reads stdin.",
    EXIT.usage,
  ),
  "body-sealed": fatal(
    "A private body cannot be opened: another key, another event, or altered.",
    "Open it with the state key that details.k names; an altered event is refused by its id before this.",
  ),
  "bytes-base32": fatal("Text is not lower-case base32 without padding.", BUG_OR_DAMAGE),
  "bytes-base58": fatal("Text is not base58.", BUG_OR_DAMAGE),
  "bytes-base64url": fatal("Text is not strict base64url of the right length.", BUG_OR_DAMAGE),
  "bytes-hex": fatal("Text is not lower-case hexadecimal of the right length.", BUG_OR_DAMAGE),
  "chain-damaged": fatal(
    "The agent's own chain file does not verify at the line that details name.",
    "Move the chain folder away, keep it, and start again: what relays hold is fetched back.",
    EXIT.refusedForSafety,
  ),
  "chain-missing": fatal(
    "No relay that answered has an event of this agent, and this home did not make its genesis.",
    "Restore the chain from a backup, or reach a relay that has it; a second chain is never begun.",
    EXIT.refusedForSafety,
  ),
  "chain-order": fatal(
    "An event does not continue the agent's chain.",
    "Report it: events are numbered by this package.",
  ),
  "chain-write-failed": fatal(
    "The agent's own chain could not be written; nothing was sent.",
    "Free space or replace the disk, then start again.",
  ),
  "checkpoint-mismatch": fatal(
    "A signed tree head belongs to another log than the one that was expected.",
    "Keep both as evidence; ask the relay's operator.",
    EXIT.refusedForSafety,
  ),
  "checkpoint-syntax": fatal("Text is not a C2SP tlog-checkpoint.", "Fetch it again, from another relay if need be."),
  closed: fatal("Something was used after it was closed, or was closed while this waited for it.", "Open it again."),
  "config-file": fatal(
    "The configuration file cannot be read or is not TOML.",
    "Correct the file; the message names the line.",
    EXIT.usage,
  ),
  "config-unknown": fatal(
    "A configuration names a setting that does not exist.",
    "Correct its name: ants relay --help lists all.",
    EXIT.usage,
  ),
  "config-value": fatal(
    "A setting has a value of the wrong form or out of its bounds.",
    "Correct it: ants relay --help says what is allowed.",
    EXIT.usage,
  ),
  "connection-lost": passing(
    "The connection to a relay broke.",
    "Whatever still runs makes it again by itself, and sends again what was not answered; else run the command again.",
    EXIT.unreachable,
  ),
  "cursor-ahead": fatal(
    "The cursor is beyond the relay's log: the relay lost entries that it had served.",
    "Keep your last tree head, it is evidence; read from another relay.",
    EXIT.refusedForSafety,
  ),
  "cursor-mismatch": fatal(
    "The relay's log has another history at the cursor's position: it was rewritten.",
    "Keep your last tree head, it is evidence; read from another relay.",
    EXIT.refusedForSafety,
  ),
  "cursor-pruned": fatal(
    "Entries after the cursor are no longer kept; details.oldest is the first position that is.",
    "Read them from another relay, or continue with allowGap.",
  ),
  "cursor-syntax": fatal(
    "Text is not a cursor.",
    "Use a cursor exactly as a relay gave it, or start, or head.",
    EXIT.usage,
  ),
  "demo-child": fatal(
    "A process of the demonstration ended in a way that it should not.",
    "Report it with the lines above.",
  ),
  "demo-failed": fatal(
    "The demonstration did not come to its end: something is missing, doubled, out of order or too slow.",
    "Run it again with --keep and report it with the folder that it names.",
  ),
  "did-key": fatal("Text is not the did:key of an Ed25519 key.", "Check the text for a typing error.", EXIT.usage),
  "did-syntax": fatal("Text is not a did:ants DID.", "Check the text for a typing error.", EXIT.usage),
  "disk-denied": fatal(
    "The operating system denies access to a file or its folder.",
    "Check owner and mode (ls -la), or choose another folder.",
  ),
  "disk-exists": fatal(
    "A file that was to be created exists already.",
    "Move it away or choose another name.",
    EXIT.refusedForSafety,
  ),
  "disk-failed": fatal(
    "The operating system failed to read or write; details.errno says how.",
    "Look at the system's log (dmesg) before trying again.",
  ),
  "disk-full": passing(
    "No space is left on the device, or the quota is used up; what was there before is unchanged.",
    "Free some space (df -h shows where) and try again.",
  ),
  "disk-read-only": fatal(
    "The file system is mounted read-only; what was there before is unchanged.",
    "Remount it writable or choose another folder.",
  ),
  "entry-type": fatal("A line is no identity operation, promise or event.", "Send entry lines only."),
  "epoch-order": fatal(
    "An entry's epoch is above the stated one, below its predecessor's, or more than 2^20 above it.",
    "Claim a new epoch, and state the epoch in which the pen is held.",
  ),
  "event-grammar": fatal("A field of an event breaks the grammar; details.field names it.", SIGN_AGAIN),
  "event-id": fatal("An event's id is not the hash of its content: a byte was changed.", BUG_OR_DAMAGE),
  "event-too-long": fatal(
    "An event's line would be longer than 64 KiB.",
    "Split the body, or keep the bulk elsewhere and publish its hash.",
    EXIT.usage,
  ),
  fenced: fatal(
    "A newer epoch was promised to another instance: this one no longer holds the pen.",
    "Stop all effects; what was not committed stays as a local side branch. Claim anew to continue here: that says what became of it.",
    EXIT.refusedForSafety,
  ),
  "follow-limit": fatal(
    "The connection has as many follows as the relay allows.",
    "Unfollow one, or follow with a wider filter.",
  ),
  "follow-relays": fatal(
    "A follow reads 1 to 30 different relays.",
    "Name each relay once, by its one spelling.",
    EXIT.usage,
  ),
  "follow-state": fatal(
    "The stored state of a follow cannot be understood; details.field names what.",
    "Restore it from a copy, or begin anew from the start.",
  ),
  fork: fatal(
    "Another event stands at the same place of the chain: two writers used one epoch.",
    "Stop all effects; the pair is kept as proof. If the other writer isn't yours, rotate the key.",
    EXIT.refusedForSafety,
  ),
  gap: fatal("The event before is not known to the relay.", "Send the chain from the last event that both have."),
  "head-damaged": fatal(
    "The file with the relay's last signed tree head holds none.",
    "Restore it from a copy of the data folder, or start a new stream.",
    EXIT.refusedForSafety,
  ),
  held: passing(
    "Another instance holds the pen and was seen within the last 60 s; details say which.",
    "Stop it, hand over, wait until it is silent (ants publish --wait), or take over.",
    EXIT.lockedByAnother,
  ),
  "home-damaged": fatal(
    "The configuration or the identity log of an agent's home cannot be read.",
    "Restore that file from a backup; chain and vault are files of their own.",
  ),
  "home-exists": fatal(
    "The folder is the home of an agent already.",
    "Choose another folder; an identity is never overwritten.",
    EXIT.refusedForSafety,
  ),
  "home-missing": fatal(
    "There is no agent in the folder.",
    "Name its folder with --home or ANTS_HOME, or restore it from a copy; a new agent begins with ants keygen.",
    EXIT.noVault,
  ),
  "identity-conflicted": fatal(
    "Rival rotates stand against each other: there is no state to act on.",
    "Its owner decides, with the recovery phrase.",
    EXIT.refusedForSafety,
  ),
  "identity-did": fatal(
    "An identity operation belongs to another DID than it was given for.",
    "Fetch the identity log again, from another relay if need be.",
  ),
  "identity-ended": fatal(
    "The identity was deactivated by its owner; nothing comes after that.",
    "Make a new identity.",
    EXIT.refusedForSafety,
  ),
  "identity-era-full": fatal(
    "More updates than one era may have (1,000).",
    "Rotate with the recovery phrase; a rotate is never refused for this.",
  ),
  "identity-grammar": fatal("A field of an identity operation breaks the grammar; details.field names it.", SIGN_AGAIN),
  "identity-key-reuse": fatal(
    "A recovery key stands in two roles, or had one before.",
    "Commit to a key of the phrase that was never used.",
    EXIT.refusedForSafety,
  ),
  "identity-needed": passing(
    "The relay lacks the identity operation that makes this key live.",
    "Send the agent's identity log first, then the same frame again.",
  ),
  "identity-number": fatal("An identity operation's number is not its parent's plus one.", SIGN_AGAIN),
  "identity-operation-unknown": fatal(
    "An operation that a claim or a promise names is not in the identity log.",
    "Fetch the identity log from every relay of every operation.",
  ),
  "identity-over": fatal("An update names a branch in `over` that is its own.", "Name the losing heads only."),
  "identity-pin-missing": fatal(
    "The operation that was pinned before is missing from the set: something was withheld.",
    "Ask the relays of every operation; keep what was pinned.",
    EXIT.refusedForSafety,
  ),
  "identity-signature": fatal("A signature of an identity operation does not verify.", BUG_OR_DAMAGE),
  "identity-signers": fatal(
    "An identity operation is signed by other keys than its kind asks for.",
    "Sign with every key that docs/protocol.md names for this operation.",
  ),
  "identity-unauthorised": fatal(
    "The recovery keys that were revealed are not those that were committed to.",
    "Use the recovery phrase of this agent.",
    EXIT.refusedForSafety,
  ),
  "identity-update-scope": fatal(
    "An update changes what only a rotate may change: sign keys, recovery or escrow.",
    "Rotate with the recovery phrase.",
    EXIT.refusedForSafety,
  ),
  "index-failed": fatal(
    "The relay's index does not fit its log.",
    "Stop the relay, delete data/index and start it again: it is rebuilt from the log.",
  ),
  "index-mismatch": fatal(
    "The relay's index lacks an entry of its log, or has it at another position.",
    "Stop the relay, delete data/index and start it again: it is rebuilt from the log.",
  ),
  "index-needs-pruned": fatal(
    "The index must be rebuilt, and the log no longer has its beginning.",
    "Restore data/index, or the older segments, from a copy.",
  ),
  internal: fatal(
    "Something happened that this version does not expect.",
    "Report it, with what you did and the output.",
  ),
  interrupted: passing("The command was stopped by Ctrl-C or a signal.", "Run it again.", EXIT.interrupted),
  "json-bom": fatal("A line begins with a byte order mark.", CANONICAL),
  "json-depth": fatal("A line is nested deeper than 16 levels.", "Flatten the body.", EXIT.usage),
  "json-duplicate-key": fatal("An object of a line has the same key twice.", CANONICAL),
  "json-escape": fatal("Text of a line has an escape other than the canonical one.", CANONICAL),
  "json-float": fatal(
    "A line holds a number with a fraction.",
    "Scale it to an integer, or write it as text.",
    EXIT.usage,
  ),
  "json-key-order": fatal("An object's keys are not in canonical order.", CANONICAL),
  "json-negative-zero": fatal("A line holds -0.", CANONICAL, EXIT.usage),
  "json-not-object": fatal("A line is JSON, but no object.", CANONICAL),
  "json-null": fatal("A line holds null.", "Leave the field out.", EXIT.usage),
  "json-number": fatal("A number is not spelled canonically.", CANONICAL),
  "json-number-overflow": fatal("A number is beyond every double.", "Write it as text.", EXIT.usage),
  "json-number-range": fatal("An integer is beyond 2^53 - 1.", "Write it as text.", EXIT.usage),
  "json-proto": fatal("An object of a line has the key __proto__.", "Choose another name.", EXIT.usage),
  "json-surrogate": fatal("Text holds half of a surrogate pair.", "Correct the text before it is written.", EXIT.usage),
  "json-syntax": fatal("A line is not JSON.", CANONICAL),
  "json-too-long": fatal(
    "A line is longer than its limit; details say which.",
    "Split the body, or keep the bulk elsewhere and publish its hash.",
    EXIT.usage,
  ),
  "json-trailing": fatal("Something follows the end of a line.", CANONICAL),
  "json-unsupported": fatal(
    "A value has no place in JSON: undefined, NaN, a function, a cycle …",
    "Pass plain data only.",
  ),
  "json-utf8": fatal("Bytes are not UTF-8.", CANONICAL, EXIT.usage),
  "json-whitespace": fatal("A line has white space between its tokens.", CANONICAL),
  "key-not-live": fatal(
    "The key may not sign for this DID: never listed, retired, void by an anchor, or the DID is deactivated.",
    "Look at the identity log; sign with a live key.",
    EXIT.refusedForSafety,
  ),
  "listen-failed": fatal(
    "The relay cannot listen on its address and port.",
    "Stop the program that uses the port, or choose another one.",
  ),
  "lock-unavailable": fatal(
    "The system offers no lock that ends with its process.",
    "Install util-linux (the command flock), and keep the folder on a file system with flock(2).",
    EXIT.refusedForSafety,
  ),
  locked: passing(
    "Another process of this host uses it; details say its pid, since when, and what it is.",
    "Wait until it is done, or stop it.",
    EXIT.lockedByAnother,
  ),
  "log-behind-head": fatal(
    "The relay's log is shorter than the tree head that it signed: entries are lost.",
    "Restore the newest copy of the data folder; without one, start a new stream.",
    EXIT.refusedForSafety,
  ),
  "log-damaged": fatal(
    "The relay's log is damaged at the position that details name.",
    "Check it with ants relay verify; restore the newest copy of the data folder.",
    EXIT.refusedForSafety,
  ),
  "log-rewritten": fatal(
    "The relay's log is not the one that its tree or its signed head was made of.",
    "Restore the newest copy of the data folder; without one, start a new stream.",
    EXIT.refusedForSafety,
  ),
  "log-torn": fatal(
    "The relay's log ends within a line, as a crash leaves it.",
    "Start the relay: the line was never acknowledged and is cut.",
  ),
  "merkle-frontier": fatal("A stored frontier does not fit its size.", "Read again from the last signed tree head."),
  "merkle-range": fatal(
    "A tree was asked about a leaf or a size that it does not have.",
    "Ask for what the tree head covers.",
  ),
  "merkle-tile": fatal("Text is not the path of a tile.", "Use the paths of C2SP tlog-tiles."),
  "method-not-allowed": fatal(
    "An HTTP path was asked with a method that it doesn't take; details.allowed lists those.",
    "Use one of those methods.",
  ),
  multikey: fatal(
    "Text is not the Multikey of a key of the expected type.",
    "Check the text for a typing error.",
    EXIT.usage,
  ),
  "no-quorum": passing(
    "Too few relays answered, or agreed: the pen was not claimed, and nothing was signed.",
    "Try again in a moment, or wait with ants publish --wait; ants doctor says which relays are missing. Reading goes on.",
    EXIT.unreachable,
  ),
  "no-relays": fatal("The identity names no relay.", "Name relays in the identity log first.", EXIT.usage),
  "no-state-key": fatal(
    "A private event was asked for and there is no state key to encrypt it with.",
    "Open the vault, which holds it.",
    EXIT.noVault,
  ),
  "not-a-relay": fatal(
    "What answers at the URL is no relay.",
    "Use the URL that the relay prints when it starts.",
    EXIT.unreachable,
  ),
  "not-found": fatal(
    "The relay has nothing under this path, or knows nothing of this agent.",
    "Check the path or the DID; ask the relays that the agent's identity log names.",
  ),
  "not-hosted": fatal(
    "The relay doesn't host this agent, and the entry is addressed to none that it hosts.",
    "Publish to the relays that the recipients' identity logs name.",
  ),
  "note-key": fatal("Text is not a C2SP verifier key.", "Check the text for a copying error.", EXIT.usage),
  "note-signature": fatal(
    "A signed note has no valid signature by the expected key.",
    "Fetch it again; if it stays so, the relay has another key or lies.",
    EXIT.refusedForSafety,
  ),
  "note-syntax": fatal("Text is not a C2SP signed note.", "Fetch it again, from another relay if need be."),
  overloaded: passing(
    "The relay holds as many connections, requests or bytes as its settings allow.",
    "Wait retryAfterMs and try again.",
    EXIT.unreachable,
  ),
  "passphrase-command": fatal(
    "ANTS_PASSPHRASE_COMMAND could not be run, failed, or did not answer within 10 s.",
    "Run it by hand: it must print the passphrase and nothing else. It is no shell: write ['sh','-c','…'] as JSON for one.",
  ),
  "passphrase-empty": fatal("A passphrase is empty.", "Give one with at least a few words.", EXIT.usage),
  "passphrase-file": fatal(
    "The file with a passphrase or recovery words could not be read.",
    "Check its path; it holds the secret and nothing else, and has mode 0600.",
  ),
  "passphrase-file-mode": fatal(
    "Others can read the file with a passphrase or recovery words.",
    "Run chmod 600 on it, and consider what it held as known to them.",
    EXIT.refusedForSafety,
  ),
  "passphrase-format": fatal(
    "A passphrase has several lines or a zero byte.",
    "Keep nothing but the passphrase where it is read from.",
    EXIT.usage,
  ),
  "passphrase-mismatch": fatal(
    "A new passphrase was not entered twice alike.",
    "Try again, or write it into a 0600 file and name that.",
    EXIT.usage,
  ),
  "passphrase-missing": fatal(
    "A passphrase is needed, none is set up, and there is no terminal to ask on.",
    "Set ANTS_PASSPHRASE_COMMAND or ANTS_PASSPHRASE_FILE, give the service the systemd credential ants-passphrase, or use a terminal.",
    EXIT.usage,
  ),
  "passphrase-too-long": fatal(
    "A passphrase has more than 4,096 bytes.",
    "Use a key file for long secrets.",
    EXIT.usage,
  ),
  "passphrase-utf8": fatal("A passphrase is not UTF-8 text.", "Save it as UTF-8, or use a key file.", EXIT.usage),
  "pen-lost": fatal(
    "This instance no longer holds the pen; the message says who does.",
    "Stop all effects; claim anew to continue here.",
    EXIT.refusedForSafety,
  ),
  "pen-unconfirmed": passing(
    "A relay says that the pen is lost, and a quorum of the others has not yet confirmed that it is held.",
    "Have no effects now; check again in a moment. If it stays so, look at the relays with ants doctor.",
    EXIT.unreachable,
  ),
  "phrase-check-word": fatal(
    "The check word does not fit: a word of the recovery phrase is wrong or two are exchanged.",
    "Compare every word with what was written down.",
    EXIT.usage,
  ),
  "phrase-checksum": fatal(
    "The 24 words do not fit each other: one of them is wrong.",
    "Compare every word with what was written down.",
    EXIT.usage,
  ),
  "phrase-entropy": fatal("A recovery phrase stands for 32 bytes.", "Pass the entropy of parsePhrase."),
  "phrase-file": fatal(
    "The recovery words cannot be written to the file that was named.",
    "Name a new file in a folder of your own.",
    EXIT.refusedForSafety,
  ),
  "phrase-key-index": fatal("Recovery keys have the numbers 0, 1, 2 …", "Pass such a number."),
  "phrase-nowhere": fatal(
    "A new identity has recovery words, and there is no terminal to show them on.",
    "Name a new file for them: --phrase-file FILE",
    EXIT.usage,
  ),
  "phrase-words": fatal(
    "Text is not 24 or 25 words of the BIP-39 list.",
    "Compare every word with what was written down.",
    EXIT.usage,
  ),
  "promise-grammar": fatal("A field of a promise breaks the grammar; details.field names it.", SIGN_AGAIN),
  "pruned-line": fatal(
    "A line without its body came from somebody who may not send it.",
    "Send the full line; only the authenticated author backfills without bodies.",
  ),
  "publish-unknown": fatal(
    "Whether signed events are committed is not known yet; details name them.",
    "Do not publish them again: they are on this disk, and the next start sends them, or says that they lost their place.",
    EXIT.partlyDone,
  ),
  "rate-limited": passing("More was sent than the relay's rate allows.", "Wait retryAfterMs and send again."),
  "relay-altered": fatal(
    "A relay served a line that does not verify.",
    "Read from another relay; keep the line, it is evidence.",
    EXIT.refusedForSafety,
  ),
  "relay-file-damaged": fatal(
    "The file with the relay's key and stream cannot be read.",
    "Restore it from a copy of the data folder.",
  ),
  "relay-file-missing": fatal(
    "The file with the relay's key and stream is gone, but there is a log beside it.",
    "Restore it from a copy of the data folder, or start a new stream.",
    EXIT.refusedForSafety,
  ),
  "relay-file-version": fatal(
    "The data folder was written by another version of the format.",
    "Run the version that wrote it, or a newer one.",
  ),
  "relay-key-changed": fatal(
    "A relay signs its tree heads with another key than before, under the same stream.",
    "Ask its operator. Until that is explained, take it for another relay.",
    EXIT.refusedForSafety,
  ),
  "relay-omitted": fatal(
    "A relay names an event as its head and does not deliver it.",
    "Read from another relay.",
    EXIT.refusedForSafety,
  ),
  "relay-protocol": fatal(
    "What the relay sent is not what the protocol asks for.",
    "Update the older side; read from another relay.",
  ),
  "relay-refused": fatal(
    "A relay refused with a code that relays don't send, or that this version doesn't know: details.code.",
    "Read its message; update this side if the relay is newer, else use another relay.",
  ),
  "relay-rewrote": fatal(
    "A relay shows another history than the one it signed; details hold both signed heads where there are two.",
    "Keep the details, they are evidence that anyone can check; read from other relays.",
    EXIT.refusedForSafety,
  ),
  "relay-unproven": fatal(
    "A relay gives no proof that what it serves to this reader is the history that it signed before.",
    "Read from other relays too; the saved place stays where the last proof ends. A proxy that only passes WebSockets does this as well.",
    EXIT.refusedForSafety,
  ),
  "relay-unreachable": passing(
    "There is no connection to the relay.",
    "Check its URL and the network, and try again; whatever still runs does so by itself.",
    EXIT.unreachable,
  ),
  "relay-url": fatal(
    "Text is not the URL of a relay.",
    "Give an address like wss://relay.example or ws://127.0.0.1:7777.",
    EXIT.usage,
  ),
  "request-timeout": passing(
    "A request, a message or an answer took longer than it may.",
    "Try again; look at the network and at how much is sent at once.",
  ),
  rival: fatal(
    "Another operation of equal power was here first; both are kept as evidence.",
    "Read the identity log; only its owner's recovery phrase settles this.",
    EXIT.refusedForSafety,
  ),
  "seed-length": fatal("A seed has 32 bytes.", "Pass the seed of generateSeed."),
  "shutting-down": passing("The relay is stopping.", "Connect again in a moment.", EXIT.unreachable),
  "state-key": fatal("A state key has 32 bytes.", "Pass the state key of the vault."),
  "storage-failed": passing(
    "The relay could not write to its disk; it takes nothing more until it is restarted, and readers go on.",
    "Publish to the other relays; the operator frees space or replaces the disk and restarts.",
  ),
  "stream-changed": fatal(
    "The relay's log is another incarnation than the cursor's.",
    "Read the new stream from its start; name it in the identity log if it is one of your own relays.",
  ),
  superseded: fatal(
    "The event stands on a side branch: a later claim went on from another place.",
    "Stop all effects; claim anew, on the head that the refusal names.",
    EXIT.refusedForSafety,
  ),
  "too-large": fatal("More was sent at once than the limit in details.", "Send less at once.", EXIT.usage),
  "tree-damaged": fatal(
    "The relay's tree is missing or wrong, and the log it could be computed from no longer has its beginning.",
    "Restore the folders log and tree from a copy, or start a new stream.",
  ),
  "unknown-message": fatal(
    "A message has a type that this side doesn't know.",
    "Correct the sender, or update this side.",
  ),
  usage: fatal(
    "The command line, or a call of the library, asks for something that cannot be.",
    "Run the command with --help; docs/library.md shows the calls.",
    EXIT.usage,
  ),
  "vault-closed": fatal(
    "The vault was closed; its secrets are gone from memory.",
    "Open it again; if this package closed it too early, report a bug.",
  ),
  "vault-content": fatal(
    "What a vault is to hold does not fit its format (key sizes, names and sizes of secrets).",
    "Correct what is put into it.",
  ),
  "vault-damaged": fatal(
    "The vault was changed since it was written, by a failing disk or by somebody without its key.",
    "Restore the vault from a copy.",
    EXIT.refusedForSafety,
  ),
  "vault-ephemeral": fatal(
    "The key would be kept where it does not survive: in memory, a container's own layer, or a temporary folder.",
    "Choose a folder on a disk (in a container: a volume), or pass --allow-ephemeral for an agent that may be lost.",
    EXIT.refusedForSafety,
  ),
  "vault-exists": fatal(
    "There is something where the new vault would go, and it may hold the only key of an agent.",
    "Choose another path.",
    EXIT.refusedForSafety,
  ),
  "vault-format": fatal(
    "The file is not a vault.",
    "Check the path; if it was a vault, restore it from a copy or use the recovery phrase.",
  ),
  "vault-in-home": fatal(
    "The key would be kept within the agent's home, which is copied, backed up and read.",
    "Name a place outside with --vault, or another home with --home.",
    EXIT.refusedForSafety,
  ),
  "vault-kdf-bounds": fatal(
    "A vault asks for a passphrase derivation outside the accepted cost: too cheap to protect, or too dear to finish.",
    "A vault made by ants never does: restore the vault from a copy.",
    EXIT.refusedForSafety,
  ),
  "vault-kdf-memory": fatal(
    "The memory to derive the passphrase's key could not be had.",
    "Give the process more memory (256 MiB at the default cost).",
  ),
  "vault-key-file": fatal(
    "A key file has 32 to 4,096 random bytes; this one has not.",
    "Make one with: head -c 32 /dev/urandom > FILE; chmod 600 FILE",
    EXIT.usage,
  ),
  "vault-missing": fatal(
    "There is no vault at this path.",
    "A new agent: ants keygen. An agent that exists: restore the vault from a copy.",
    EXIT.noVault,
  ),
  "vault-mode": fatal(
    "Others than its owner can get at the vault file.",
    "Run chmod 600 on it, and change the passphrase if others may have read it (ants vault passwd).",
    EXIT.refusedForSafety,
  ),
  "vault-no-slot": fatal(
    "The vault does not open with this kind of key; details.types lists its kinds.",
    "Open it with one of those.",
    EXIT.usage,
  ),
  "vault-not-file": fatal(
    "A folder, pipe, socket or device is where the vault should be.",
    "Check the path of the vault.",
    EXIT.refusedForSafety,
  ),
  "vault-other-agent": fatal(
    "The vault belongs to another agent than the home.",
    "Name this agent's vault with --vault, or its home with --home.",
    EXIT.refusedForSafety,
  ),
  "vault-owner": fatal(
    "The vault file belongs to another user.",
    "Run as its owner, or change the owner (chown).",
    EXIT.refusedForSafety,
  ),
  "vault-replaced": fatal(
    "The vault file was replaced by another vault while this one was open.",
    "Stop the processes that use it, and see which of the files is the right one.",
    EXIT.refusedForSafety,
  ),
  "vault-slots": fatal(
    "A vault has at least one way in, and at most one of each kind.",
    "Add another way in before removing the last.",
    EXIT.usage,
  ),
  "vault-symlink": fatal(
    "A symbolic link is where the vault should be; its target could be anybody's file.",
    "Give the path of the file itself.",
    EXIT.refusedForSafety,
  ),
  "vault-version": fatal("The vault was written by a newer version.", "Update this one.", EXIT.usage),
  "vault-wrong-key-file": fatal(
    "The key file does not open this vault.",
    "Use the one that was added to it.",
    EXIT.wrongPassphrase,
  ),
  "vault-wrong-passphrase": fatal(
    "The passphrase does not open this vault.",
    "Try again; the recovery words open it too: ants vault passwd --phrase-file WORDS",
    EXIT.wrongPassphrase,
  ),
  "vault-wrong-phrase": fatal(
    "The recovery phrase is well formed but belongs to another vault.",
    "Use the 24 words that were shown when this agent was made.",
    EXIT.wrongPassphrase,
  ),
  "version-unsupported": fatal(
    "No common protocol version; details.spoken lists those of this side.",
    "Update the older side.",
    EXIT.usage,
  ),
  "wrong-stream": fatal(
    "A promise names another stream than that of this relay.",
    "Ask for the stream that hello states; name it in the identity log if the relay began anew.",
  ),
  "x25519-secret": fatal("An X25519 secret has 32 bytes.", "Pass 32 bytes."),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The row of a code, or undefined for a code that this version doesn't know (a newer relay's, for example). */
export function errorRow(code: string): ErrorRow | undefined {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined;
}

/** Whether the same attempt may succeed later; false for a code that this version doesn't know. */
export function isRetryable(code: string): boolean {
  return errorRow(code)?.retryable ?? false;
}

/** The exit code of a program that ends with `error`: the table's, or 1 for whatever else was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  return (isAntsError(error) ? errorRow(error.code)?.exit : undefined) ?? EXIT.failed;
}
