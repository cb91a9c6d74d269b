import { isAntsError } from "../../../keys/errors.js";
import type { OpenVault } from "../../../keys/node/vault.js";
import { systemClock } from "../../../keys/ports.js";
import type { AgentHome } from "../../agent/home.js";
import { type Obstacle, obstacleOf } from "../../agent/secret-choice.js";
import { isOwed } from "../../agent/secret-keeper.js";
import { readFromChain, stateKeysOf } from "../../agent/secret-reading.js";
import { SecretLedger } from "../../agent/secret-records.js";
import { readChain } from "../chain-reading.js";
import { lengthText } from "../when.js";
import { advice, broken, type Finding, ok } from "./finding.js";

/** A new credential takes people and days to get. */
const WARN_BEFORE_MS = 14 * 86_400_000;

/** Every credential of the vault: what is out of date, revoked, expired or about to, refused, or not recorded. */
export async function checkSecrets(home: AgentHome, vault: OpenVault): Promise<Finding[]> {
  const { secrets } = vault.content;
  const names = Object.keys(secrets);
  if (names.length === 0) return [];
  const ledger = new SecretLedger();
  try {
    await readFromChain(ledger, (await readChain(home)).chain, stateKeysOf(vault.content));
  } catch (error) {
    // The chain's own finding says what is wrong with it.
    if (isAntsError(error)) return [];
    throw error;
  }
  const nowMs = systemClock.nowMs();
  const findings: Finding[] = [];
  for (const [name, { credentials }] of Object.entries(secrets)) {
    for (const credential of credentials) {
      const version = credential.versions[0]!;
      const why = obstacleOf(ledger, name, credential, version, nowMs);
      const finding = findingOf(name, credential.label, version, why, nowMs);
      if (finding !== undefined) findings.push(finding);
    }
  }
  if (isOwed(secrets, ledger, nowMs)) {
    const found = "something of them is not in the chain yet: an older copy of the vault would not be known as such";
    findings.push(advice("secrets", found, "the next ants secret set, rotate or rm records it"));
  }
  return findings.length > 0 ? findings : [ok("secrets", `${names.length} in the vault, each as the chain says`)];
}

function findingOf(
  name: string,
  label: string,
  version: { readonly number: number; readonly expiresMs?: number },
  why: Obstacle | undefined,
  nowMs: number,
): Finding | undefined {
  const check = `secret ${name}`;
  const which = `version ${version.number} (${label})`;
  const rotate = `put in a new one: ants secret rotate ${name} --label ${label}`;
  switch (why) {
    case "stale":
      return broken(
        check,
        `${which} is out of date: this vault is an older copy`,
        `restore the newest vault, or ${rotate}`,
      );
    case "revoked":
      return broken(check, `${which} was revoked, and is in this vault still`, rotate);
    case "expired":
      return broken(check, `${which} has expired`, rotate);
    case "refused":
      return advice(check, `${which} was refused by its service: it asks for a rotation`, rotate);
    case undefined:
      break;
  }
  if (version.expiresMs === undefined || version.expiresMs - nowMs > WARN_BEFORE_MS) return undefined;
  return advice(check, `${which} expires in ${lengthText(version.expiresMs - nowMs)}`, rotate);
}
