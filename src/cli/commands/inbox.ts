import { hex } from "../../../keys/bytes.js";
import { type Did, isDid } from "../../../keys/did.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import { openInbox } from "../../agent/mail.js";
import { readNotes } from "../../client/delivery-book.js";
import type { Inbox } from "../../client/inbox.js";
import { InboxStore } from "../../client/inbox-store.js";
import { systemPorts } from "../../client/ports.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type MessageItem, messageJson, messageText } from "../message-text.js";
import type { Output } from "../output.js";
import { unlock } from "../unlock.js";
import { usageError } from "../usage.js";

export interface InboxCommandOptions {
  readonly all?: true;
  readonly peek?: true;
  readonly follow?: true;
  readonly vault?: string;
}

/**
 * Shows messages, and marks them as read once they are shown: a crash between the two shows some again, and loses none.
 * Needs the vault, and neither the pen nor the home's lock, so it works while the agent is at work.
 */
export async function inbox(context: CommandContext, options: InboxCommandOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { vault } = await unlock(context, home.config.did, options);
  const { written } = await readNotes(nodeDisk, home.layout.deliveries);
  const known = new Set<string>(written);
  try {
    await using inbox = await openInbox(
      {
        disk: nodeDisk,
        ports: systemPorts,
        home,
        secrets: vault.content,
        instance: hex(systemPorts.random.bytes(8)),
        hasWrittenTo: (did) => known.has(did),
      },
      { live: options.follow === true, signal, ...(options.all === true ? { all: true } : {}) },
    );
    return await show(out, inbox, options);
  } finally {
    vault.close();
  }
}

async function show(out: Output, inbox: Inbox, options: InboxCommandOptions): Promise<CommandResult> {
  const later: MessageItem[] = [];
  let shown = 0;
  let isPartial = false;
  let failure: { readonly error: unknown } | undefined;
  const showOne = async (item: MessageItem): Promise<void> => {
    shown += 1;
    if (out.json) await out.value(messageJson(item));
    else for (const line of messageText(item)) await out.line(line);
    if (options.peek !== true) await inbox.done(item);
  };
  const showFirstContacts = async (): Promise<void> => {
    if (later.length > 0 && !out.json) await out.line("First contact: nobody here ever wrote to these");
    for (const item of later.splice(0)) await showOne(item);
  };
  try {
    let isCaughtUp = false;
    for await (const item of inbox) {
      if (item.type === "problem") {
        isPartial = true;
        out.warn(`${item.relay}: ${item.message}`);
      } else if (item.type === "caught-up") {
        isCaughtUp = true;
        await showFirstContacts();
      } else if (item.firstContact && !isCaughtUp && !out.json) later.push(item);
      else await showOne(item);
    }
  } catch (error) {
    failure = { error };
  }
  // What was in the home is shown, also where no relay could be read.
  await showFirstContacts();
  if (failure !== undefined) throw failure.error;
  if (shown === 0) out.note("no new messages");
  return isPartial ? EXIT.partlyDone : undefined;
}

/** From now on its messages are no first contacts. */
export async function inboxAccept(context: CommandContext, did: string): Promise<CommandResult> {
  await withStore(context, "inbox accept", did, (store, did) => store.accept(did));
  await context.out.result({ did, accepted: true }, [`${did} is known now`]);
  return undefined;
}

/** From now on its messages are neither kept nor shown. */
export async function inboxBlock(context: CommandContext, did: string): Promise<CommandResult> {
  await withStore(context, "inbox block", did, (store, did) => store.block(did));
  await context.out.result({ did, blocked: true }, [`${did} is blocked; ants inbox accept ${did} takes that back`]);
  return undefined;
}

async function withStore(
  context: CommandContext,
  command: string,
  did: string,
  work: (store: InboxStore, did: Did) => Promise<void>,
): Promise<void> {
  if (!isDid(did)) throw usageError(`${did}: expected did:ants:… with 52 characters`, command);
  const home = await AgentHome.open(nodeDisk, context.home);
  const store = await InboxStore.open(nodeDisk, home.layout.inbox, systemPorts.random);
  try {
    await work(store, did);
  } finally {
    await store.close();
  }
}
