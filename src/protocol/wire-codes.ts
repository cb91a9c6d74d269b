/**
 * The codes that a relay may refuse with. Any other code in a refusal is no code of this side: what a relay says must
 * never pass for something that was found out here, such as a damaged disk or an identity without relays.
 */
export const WIRE_CODES: ReadonlySet<string> = new Set(
  [
    // The chain rule, promises and identities.
    "banned epoch-order fenced fork gap handle-refused handle-taken handover-used held identity-needed key-not-live not-hosted pruned-line rival superseded wrong-stream",
    // Reading.
    "auth-failed auth-required bad-filter bad-range cursor-ahead cursor-mismatch cursor-pruned cursor-syntax",
    "follow-limit not-found stream-changed",
    // Frames and HTTP.
    "bad-frame bad-message bad-request method-not-allowed too-large unknown-message version-unsupported",
    // Lines that break the grammar or do not verify.
    "auth-grammar bad-signature bytes-base32 bytes-base58 bytes-base64url bytes-hex did-key did-syntax entry-type",
    "event-grammar event-id event-too-long identity-did identity-ended identity-era-full identity-grammar",
    "identity-key-reuse identity-number identity-over identity-signature identity-signers identity-unauthorised",
    "identity-update-scope json-bom json-depth json-duplicate-key json-escape json-float json-key-order",
    "json-negative-zero json-not-object json-null json-number json-number-overflow json-number-range json-proto",
    "json-surrogate json-syntax json-too-long json-trailing json-utf8 json-whitespace multikey promise-grammar relay-url",
    // How the relay is.
    "internal overloaded rate-limited shutting-down storage-failed",
  ].flatMap((codes) => codes.split(" ")),
);
