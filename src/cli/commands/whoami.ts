import { nodeDisk } from "../../../keys/node/disk.js";
import { dormantMark } from "../../agent/dormant.js";
import { AgentHome } from "../../agent/home.js";
import { homeMoved, readDeparture } from "../../agent/moved.js";
import { readChain } from "../chain-reading.js";
import type { CommandContext, CommandResult } from "../context.js";
import { vaultPath } from "../places.js";

export interface WhoamiOptions {
  readonly vault?: string;
}

/** Who this home is. Needs no key and no network: what is said is what lies here. */
export async function whoami(context: CommandContext, options: WhoamiOptions): Promise<CommandResult> {
  const { out, env } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did } = home.config;
  const { identity } = home;
  const { status } = identity.resolution;
  const newest = identity.newest?.op;
  const { head } = (await readChain(home)).chain;
  const vault = vaultPath(options.vault, did, env);
  const vaultIsThere = (await nodeDisk.read(vault)) !== undefined;
  const relays = newest?.relays ?? [];
  const dormant = await dormantMark(nodeDisk, home);
  const departure = await readDeparture(nodeDisk, home);
  await out.result(
    {
      did,
      status,
      home: context.home,
      vault: { path: vault, there: vaultIsThere },
      keys: newest?.keys.sign ?? [],
      relays,
      faults: newest?.faults ?? 0,
      handles: newest?.handles ?? [],
      ...(dormant === undefined ? {} : { dormant }),
      ...(departure === undefined ? {} : { moved: departure }),
      ...(head === undefined ? {} : { head: { epoch: head.epoch, seq: head.seq, id: head.id } }),
    },
    [
      did,
      ...(status === "verified" ? [] : [`  identity  ${status}`]),
      `  home      ${context.home}`,
      `  vault     ${vault}${vaultIsThere ? "" : " (not there)"}`,
      `  key       ${(newest?.keys.sign ?? []).join(" ")}`,
      ...(newest?.handles ?? []).map((handle) => `  handle    ${handle}`),
      ...relays.map(({ url, stream }) => `  relay     ${url} (stream ${stream})`),
      ...(dormant === undefined
        ? []
        : [`  sleeps    restored from ${dormant.archive || "a backup"}: ants activate wakes it`]),
      ...(departure === undefined ? [] : [`  at rest   ${homeMoved(home, departure).message}`]),
      `  chain     ${head === undefined ? "empty" : `seq ${head.seq}, epoch ${head.epoch}, ${head.id}`}`,
    ],
  );
  return undefined;
}
