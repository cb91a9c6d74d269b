import type { Match } from "./finding.js";

/** A secret that shows what it is: its issuer gave it a form of its own. */
interface KnownShape {
  readonly rule: string;
  readonly pattern: RegExp;
}

/**
 * Forms from the issuers' own documentation. The part in a group named `shown` is the same for everybody and may be
 * printed. Each pattern begins with something fixed, so that looking for it costs one pass.
 */
const SHAPES: readonly KnownShape[] = [
  {
    rule: "private-key",
    pattern: /(?<shown>-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)[^-]*(?:-----END)?/g,
  },
  { rule: "age-identity", pattern: /(?<shown>AGE-SECRET-KEY-(?:PQ-)?1)[0-9A-Z]{40,}/gi },
  { rule: "aws-key", pattern: /\b(?<shown>A(?:KIA|SIA|BIA|CCA))[A-Z0-9]{16}\b/g },
  { rule: "github-token", pattern: /(?<shown>gh[pousr]_)[A-Za-z0-9]{30,}/g },
  { rule: "github-token", pattern: /(?<shown>github_pat_)[A-Za-z0-9_]{40,}/g },
  { rule: "gitlab-token", pattern: /(?<shown>gl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent|oas)-)[A-Za-z0-9_-]{20,}/g },
  { rule: "slack-token", pattern: /(?<shown>xox[abeoprs]-|xapp-)[A-Za-z0-9-]{20,}/g },
  {
    rule: "webhook",
    pattern: /(?<shown>https:\/\/hooks\.slack\.[a-z.]+\/(?:services|workflows)\/)[A-Za-z0-9_/]{20,}/g,
  },
  {
    rule: "webhook",
    pattern: /(?<shown>https:\/\/(?:[a-z]+\.)?discord(?:app)?\.com\/api\/webhooks\/)\d+\/[\w-]{20,}/g,
  },
  { rule: "stripe-key", pattern: /(?<shown>(?:[sr]k_(?:live|test)|whsec)_)[A-Za-z0-9]{20,}/g },
  { rule: "anthropic-key", pattern: /(?<shown>sk-ant-)[A-Za-z0-9_-]{30,}/g },
  { rule: "openai-key", pattern: /(?<shown>\bsk-(?:proj-|svcacct-|admin-)?)(?!ant-)[A-Za-z0-9_-]{32,}/g },
  { rule: "google-key", pattern: /(?<shown>AIza)[A-Za-z0-9_-]{35}/g },
  { rule: "google-key", pattern: /(?<shown>\bya29\.|\bGOCSPX-)[A-Za-z0-9_-]{20,}/g },
  { rule: "npm-token", pattern: /(?<shown>npm_)[A-Za-z0-9]{36}/g },
  { rule: "pypi-token", pattern: /(?<shown>pypi-AgE)[A-Za-z0-9_-]{50,}/g },
  { rule: "telegram-token", pattern: /\b(?<shown>)\d{8,10}:AA[A-Za-z0-9_-]{33}/g },
  { rule: "sendgrid-key", pattern: /(?<shown>\bSG\.)[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{32,}/g },
  { rule: "twilio-key", pattern: /(?<shown>\bSK)[0-9a-f]{32}\b/g },
  { rule: "azure-key", pattern: /(?<shown>AccountKey=|SharedAccessKey=)[A-Za-z0-9+/]{43,}={0,2}/g },
  { rule: "digitalocean-token", pattern: /(?<shown>do[opr]_v1_)[0-9a-f]{64}/g },
  { rule: "huggingface-token", pattern: /(?<shown>\bhf_)[A-Za-z0-9]{30,}/g },
  { rule: "discord-token", pattern: /\b(?<shown>)[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,38}\b/g },
  { rule: "jwt", pattern: /(?<shown>\beyJ)[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g },
  { rule: "linear-key", pattern: /(?<shown>\blin_(?:api|oauth)_)[A-Za-z0-9]{32,}/g },
  { rule: "notion-token", pattern: /(?<shown>\b(?:ntn_|secret_))[A-Za-z0-9]{40,}/g },
  { rule: "doppler-token", pattern: /(?<shown>\bdp\.(?:pt|st|ct|sa)\.)[A-Za-z0-9_.]{32,}/g },
  { rule: "vault-token", pattern: /(?<shown>\bhv[sbr]\.)[A-Za-z0-9_-]{20,}/g },
  { rule: "shopify-token", pattern: /(?<shown>\bshp(?:at|ca|pa|ss)_)[0-9a-fA-F]{32}/g },
  { rule: "nostr-key", pattern: /(?<shown>\bnsec1)[02-9ac-hj-np-z]{50,}/g },
  { rule: "bitcoin-key", pattern: /(?<shown>\b[xyz]prv)[1-9A-HJ-NP-Za-km-z]{100,}/g },
];

/** Every secret in `text` that shows by its form whose it is. */
export function* knownShapes(text: string): Generator<Match> {
  for (const { rule, pattern } of SHAPES) {
    for (const match of text.matchAll(pattern)) {
      const start = match.index;
      yield { rule, start, end: start + match[0].length, shown: match.groups?.shown ?? "" };
    }
  }
}
