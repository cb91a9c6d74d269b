import { FACT, factKey } from "./index-keys.js";

/** The name (see AgentUpdate.names) of an agent one of whose operations has this escrow key. */
export function escrowName(multikey: string): string {
  return `escrow:${multikey}`;
}

/** The fact that an agent goes by a name; without a number, what all facts about the name begin with. */
export function nameKey(name: string, agentNo?: number): Buffer {
  const text = Buffer.from(`${name}\0`, "utf8");
  return agentNo === undefined ? factKey(FACT.name, text) : factKey(FACT.name, text, [agentNo, 4]);
}
