import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Asked, ResolvedAgent } from "../client/resolved-agent.js";
import { isoTime } from "../protocol/iso-time.js";
import { painted, type Text } from "./text.js";

/** A result for programs: what it says, who was asked, and in a dispute the operations that prove it. */
export function resolutionJson(result: ResolvedAgent): Record<string, unknown> {
  const { asked, ...rest } = result;
  const { log: _, state: __, agent: ___, ...plain } = rest as typeof rest & Record<"log" | "state" | "agent", unknown>;
  const agent = "state" in result ? result : result.status === "mismatch" ? result.agent : undefined;
  const proof = evidenceOf(result);
  return {
    ...plain,
    ...(agent === undefined ? {} : identityJson(agent.state.head)),
    ...(proof.length === 0 ? {} : { evidence: proof.map(({ op }) => op) }),
    asked,
  };
}

function identityJson({ op, hash }: ParsedOperation): Record<string, unknown> {
  const { keys, handles, services, faults, n } = op;
  return { identity: { operation: hash, n, keys, handles, services, faults } };
}

/** Operations shown of a dispute: a thief of the key can make thousands, and two prove it. */
const MAX_EVIDENCE = 16;

/** The operations that stand against each other. */
function evidenceOf(result: ResolvedAgent): ParsedOperation[] {
  const named =
    result.status === "conflicted" ? result.rivals : result.status === "contested" ? result.branches : undefined;
  if (named === undefined || !("log" in result)) return [];
  const shown = new Set(named.slice(0, MAX_EVIDENCE));
  return result.log.operations().filter(({ hash }) => shown.has(hash));
}

/** A result for people. */
export function resolutionText(result: ResolvedAgent): Text[] {
  const { name, status } = result;
  const good = status === "verified";
  const lines: Text[] = [[`${name} is `, painted(good ? "green" : "yellow", WORDS[status])]];
  if ("why" in result) lines.push(`  because   ${result.why}`);
  if (result.status === "stale" && result.checkedMs !== undefined) {
    lines.push(`  confirmed ${isoTime(result.checkedMs) ?? "at some time"}`);
  }
  if ("did" in result && result.did !== undefined) lines.push(`  did       ${result.did}`);
  if ("state" in result) {
    const { keys, handles } = result.state.head.op;
    lines.push(`  key       ${keys.sign.join(" ")}`);
    for (const { url, stream } of result.relays) lines.push(`  relay     ${url} (stream ${stream})`);
    for (const handle of handles) {
      lines.push(`  handle    ${handle}${handle === result.handle ? "" : " (its own word: ants resolve it)"}`);
    }
  }
  if (result.status === "mismatch") for (const did of result.dids) lines.push(`  leads to  ${did}`);
  for (const { op, hash } of evidenceOf(result)) lines.push(`  against   ${op.op} ${hash}`);
  if (status === "unreachable" && result.asked.every(({ place }) => place !== "relay")) {
    if ("did" in result) lines.push("  try       --relay <url>, with a relay that may know it");
  }
  for (const asked of result.asked) lines.push(painted("dim", `  asked     ${askedText(asked)}`));
  return lines;
}

const WORDS: Readonly<Record<ResolvedAgent["status"], string>> = {
  verified: "verified",
  stale: "stale: known from before, not confirmed now",
  contested: "contested: two updates of it clash, until its owner settles that",
  deactivated: "deactivated by its owner, for good",
  conflicted: "conflicted: rotates of it clash, and nothing tells which came first",
  mismatch: "a mismatch: the name is not that agent's",
  "not-found": "not found",
  unreachable: "unreachable: whether there is such an agent is unknown",
};

function askedText(asked: Asked): string {
  const answer = answerText(asked);
  return answer.includes(asked.address) ? `${asked.place}: ${answer}` : `${asked.place} ${asked.address}: ${answer}`;
}

function answerText(asked: Asked): string {
  switch (asked.answer) {
    case "did":
      return [asked.did, ...asked.relays].join(" ");
    case "several":
      return asked.dids.join(" ");
    case "log":
      return `${asked.operations} ${asked.operations === 1 ? "operation" : "operations"}${asked.cut ? " and no end" : ""}`;
    case "failed":
      return `${asked.message} [${asked.code}]`;
    default:
      return asked.why;
  }
}
