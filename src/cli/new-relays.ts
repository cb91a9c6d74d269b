import { AntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import { quorumSize } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { RelayReport } from "../client/survey.js";
import type { CommandContext } from "./context.js";
import { askRelay } from "./relay-info.js";
import { relayUrl } from "./relay-url-option.js";

export interface NewRelayOptions {
  readonly newRelay?: readonly string[];
  readonly dropRelay?: readonly string[];
}

export interface NewRelays {
  readonly relays: readonly RelayAddress[];
  readonly faults: number;
}

/**
 * The relays that a rotate names: those of its parent that are not dropped, and the new ones. Where too few of these
 * answer for a quorum, those that don't are left out: nothing could be written otherwise. Says what it leaves out.
 *
 * Throws "no-relays" when none is left, "usage", "relay-unreachable" and "not-a-relay" for a new one.
 */
export async function newRelays(
  { out, signal }: CommandContext,
  { newRelay = [], dropRelay = [] }: NewRelayOptions,
  { op }: ParsedOperation,
  reports: readonly RelayReport[],
  command: string,
): Promise<NewRelays> {
  const dropped = new Set(dropRelay.map((url) => relayUrl(url, command)));
  const added = await Promise.all(
    newRelay.map(async (url) => {
      const spelled = relayUrl(url, command);
      return { url: spelled, stream: (await askRelay(spelled, { signal })).stream };
    }),
  );
  const old = op.relays.filter(({ url }) => !dropped.has(url) && !added.some((relay) => relay.url === url));
  const answers = ({ url, stream }: RelayAddress) =>
    reports.some((report) => report.url === url && report.state === "read" && report.stream === stream);
  const living = [...old.filter(answers), ...added];
  const all = [...old, ...added];
  const faults = all.length >= 3 * op.faults + 1 ? op.faults : 0;
  if (faults < op.faults)
    out.warn(`with ${all.length} relays none may lie any more (it was ${op.faults}): add relays soon`);
  if (all.length > 0 && living.length >= quorumSize(all.length, faults)) return { relays: all, faults };
  if (living.length === 0) {
    throw new AntsError("no-relays", "none of the agent's relays answers, and no other is named", {
      hint: `name relays that the agent will publish to from now on: ants ${command} --new-relay wss://… --new-relay wss://…`,
    });
  }
  for (const { url } of old.filter((relay) => !answers(relay)))
    out.warn(`${url} does not answer as the relay that it was, and is left out; add it again with ants relays add`);
  const left = living.length >= 3 * op.faults + 1 ? op.faults : 0;
  if (left < op.faults)
    out.warn(`with ${living.length} relays none may lie any more (it was ${op.faults}): add relays soon`);
  return { relays: living, faults: left };
}
