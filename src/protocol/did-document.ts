import type { Did } from "../../keys/did.js";
import { parseHandle } from "../../keys/identity/handle.js";
import type { IdentityState } from "../../keys/identity/state.js";

/** The service type under which a DID document lists the relays of its agent. */
export const RELAY_SERVICE_TYPE = "AntsRelay";

const DID_CONTEXT = "https://www.w3.org/ns/did/v1";
const MULTIKEY_CONTEXT = "https://w3id.org/security/multikey/v1";

/** A key of the document (DID Core 5.2, with the Multikey type of Controlled Identifiers). */
export interface VerificationMethod {
  /** The DID, "#" and the Multikey. */
  readonly id: string;
  readonly type: "Multikey";
  readonly controller: Did;
  readonly publicKeyMultibase: string;
}

/** An endpoint of the document (DID Core 5.4). */
export interface DidService {
  readonly id: string;
  readonly type: string;
  readonly serviceEndpoint: string;
  /** Of a relay: the stream under which it counts. */
  readonly stream?: string;
}

/** A DID document in the form of W3C DID Core 1.0; the same object is its JSON and its JSON-LD representation. */
export interface DidDocument {
  readonly "@context": readonly string[];
  readonly id: Did;
  /** The handles: "acct:name@host" (RFC 7565) and "https://name.example". Claims, until looked up the other way. */
  readonly alsoKnownAs?: readonly string[];
  readonly verificationMethod: readonly VerificationMethod[];
  readonly authentication?: readonly string[];
  readonly assertionMethod?: readonly string[];
  readonly keyAgreement: readonly string[];
  readonly capabilityInvocation?: readonly string[];
  readonly service?: readonly DidService[];
}

/**
 * The DID document of an identity in some state, all ids absolute and each of them once.
 *
 * The sign keys authenticate, sign events and may publish updates of the document, so they stand under
 * `authentication`, `assertionMethod` and `capabilityInvocation`; nothing can be delegated. The recovery keys are in no
 * document: only their hashes are known. A property whose set would be empty is left out.
 *
 * Relays are services with ids of the form `#relay:<stream>`, which no service of the agent's own can have. A service of
 * its own that bears the name of one of its keys is left out: one id would mean two things.
 */
export function didDocument({ did, head }: IdentityState): DidDocument {
  const { keys, relays, handles, services } = head.op;
  const verificationMethod = [...keys.sign, keys.agree].map((key): VerificationMethod => {
    return { id: `${did}#${key}`, type: "Multikey", controller: did, publicKeyMultibase: key };
  });
  const methodIds = verificationMethod.map(({ id }) => id);
  const signers = methodIds.slice(0, keys.sign.length);
  const service: DidService[] = [
    ...relays.map(({ url, stream }) => {
      return { id: `${did}#relay:${stream}`, type: RELAY_SERVICE_TYPE, serviceEndpoint: url, stream };
    }),
    ...services.map(({ id, type, endpoint }) => ({ id: `${did}#${id}`, type, serviceEndpoint: endpoint })),
  ].filter(({ id }) => !methodIds.includes(id));
  return {
    "@context": [DID_CONTEXT, MULTIKEY_CONTEXT],
    id: did,
    ...(handles.length === 0 ? {} : { alsoKnownAs: handles.map(uriOfHandle) }),
    verificationMethod,
    ...(signers.length === 0 ? {} : { authentication: signers, assertionMethod: signers }),
    keyAgreement: methodIds.slice(keys.sign.length),
    ...(signers.length === 0 ? {} : { capabilityInvocation: signers }),
    ...(service.length === 0 ? {} : { service }),
  };
}

/** A handle as the URI that names its subject elsewhere. */
export function uriOfHandle(handle: string): string {
  return parseHandle(handle)?.kind === "account" ? `acct:${handle}` : `https://${handle}`;
}
