import { once } from "node:events";
import { AntsError } from "../../../keys/errors.js";
import type { SecretVersion } from "../../../keys/node/vault-secrets.js";
import { systemClock } from "../../../keys/ports.js";
import { choose, type Obstacle, obstacleOf } from "../../agent/secret-choice.js";
import type { SecretLedger } from "../../agent/secret-records.js";
import { isoTime } from "../../protocol/iso-time.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type SecretViewOptions, viewSecrets, warnPassedOver } from "../secret-view.js";
import { lengthText } from "../when.js";

export interface SecretGetOptions extends SecretViewOptions {
  readonly name: string;
  readonly label?: string;
  /** Of the version. */
  readonly number?: number;
  readonly show?: true;
  readonly allowExpired?: true;
  readonly allowStale?: true;
}

/** Writes the value to stdout, byte for byte; to a terminal only with --show. */
export async function secretGet(context: CommandContext, options: SecretGetOptions): Promise<CommandResult> {
  const { out } = context;
  const { name, number } = options;
  if (out.terminal && options.show !== true) {
    throw new AntsError("secret-on-terminal", `refused to show ${name} on a terminal`, {
      hint: `ants secret get ${name} | COMMAND, or --show`,
    });
  }
  const { vault, ledger } = await viewSecrets(context, options);
  try {
    const { usable, passedOver } = choose(vault.content.secrets, ledger, name, {
      ...options,
      ...(number === undefined ? {} : { version: number }),
      // Somebody looks at it; nothing is tried.
      retryRefused: true,
      nowMs: systemClock.nowMs(),
    });
    warnPassedOver(context, name, passedOver);
    const { label, version } = usable[0]!;
    const bytes = Buffer.from(version.value);
    try {
      if (out.json) await out.value({ name, label, version: version.number, ...encoded(bytes) });
      else await written(bytes, out.terminal);
    } finally {
      bytes.fill(0);
    }
  } finally {
    vault.close();
  }
  return undefined;
}

/** Says what there is and how it stands. */
export async function secretList(context: CommandContext, options: SecretViewOptions): Promise<CommandResult> {
  const { out } = context;
  const { vault, ledger, asked } = await viewSecrets(context, options);
  const nowMs = systemClock.nowMs();
  try {
    const secrets = Object.entries(vault.content.secrets).map(([name, { credentials }]) => ({
      name,
      credentials: credentials.map((credential, i) => ({
        label: credential.label,
        preferred: i === 0,
        versions: credential.versions.map((version, place) => ({
          version: version.number,
          ...(version.madeMs === 0 ? {} : { made: isoTime(version.madeMs) }),
          ...(version.expiresMs === undefined ? {} : { expires: isoTime(version.expiresMs) }),
          state: stateOf(ledger, name, credential, version, place, nowMs),
          recorded: ledger.standing(name, credential.label, version, nowMs) !== "unrecorded",
        })),
      })),
    }));
    const lines = secrets.flatMap(({ name, credentials }) =>
      credentials.flatMap(({ label, versions }) =>
        versions.map(
          ({ version, made, expires, state, recorded }) =>
            `${name} (${label})  version ${version}  ${state}${age(made, nowMs)}${expiry(expires, nowMs)}` +
            (recorded ? "" : ", not in the chain yet"),
        ),
      ),
    );
    await out.result(
      { secrets, ...(asked === undefined ? {} : { relays: asked.relays, answered: asked.answered }) },
      lines.length === 0 ? ["no secrets"] : lines,
    );
  } finally {
    vault.close();
  }
  return undefined;
}

function stateOf(
  ledger: SecretLedger,
  name: string,
  credential: Parameters<typeof obstacleOf>[2],
  version: SecretVersion,
  place: number,
  nowMs: number,
): Obstacle | "in use" | "kept" {
  return obstacleOf(ledger, name, credential, version, nowMs) ?? (place === 0 ? "in use" : "kept");
}

function age(made: string | undefined, nowMs: number): string {
  return made === undefined ? "" : `, ${lengthText(nowMs - Date.parse(made))} old`;
}

function expiry(expires: string | undefined, nowMs: number): string {
  if (expires === undefined) return "";
  const leftMs = Date.parse(expires) - nowMs;
  return leftMs > 0 ? `, expires in ${lengthText(leftMs)}` : `, expired ${lengthText(leftMs)} ago`;
}

function encoded(bytes: Buffer): { value: string; encoding: "utf8" | "base64url" } {
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return { value: text, encoding: "utf8" };
  return { value: bytes.toString("base64url"), encoding: "base64url" };
}

async function written(bytes: Buffer, terminal: boolean): Promise<void> {
  // A copy: the stream may hold on to what it is given, and ours is overwritten.
  if (!process.stdout.write(Buffer.from(bytes))) await once(process.stdout, "drain");
  if (terminal) process.stdout.write("\n");
}
