/** The name (see AgentUpdate.names) of an agent one of whose operations has this escrow key. */
export function escrowName(multikey: string): string {
  return `escrow:${multikey}`;
}
