/**
 * A relay's settings, each defined once: its check, unit, default and description. From this one schema come the
 * values (flags over environment over file over defaults), the command's options, the sample file and
 * docs/relay-config.md. Nothing here reads the environment or a disk: the sources are handed in.
 */
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { isDid } from "../keys/did.js";
import { AntsError } from "../keys/errors.js";
import { normalizeRelayUrl } from "../keys/identity/relay-url.js";
import { DEFAULT_LIMITS, MAX_DEPTH, type RelayLimits } from "../src/protocol/limits.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Levels of a log record, the quietest last. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const text = (fallback: string, unit: string, description: string, max = 512) =>
  z.string().max(max).default(fallback).meta({ unit, description });
const integer = (fallback: number, unit: string, min: number, max: number, description: string) =>
  z.number().int().min(min).max(max).default(fallback).meta({ unit, description });
const flag = (description: string) => z.boolean().default(false).meta({ unit: "yes or no", description });

/** Names that speak for whoever runs a host (RFC 2142 and what else is usual), or for a relay itself. */
const RESERVED_NAMES = [
  ..."abuse admin administrator ants help hostmaster info mailer-daemon moderator noc no-reply noreply".split(" "),
  ..."operator owner postmaster relay root security staff status support system webmaster www".split(" "),
];

/** Every setting of a relay, in the order in which the sample file and the docs list them. */
export const relayConfigSchema = z.strictObject({
  host: text("127.0.0.1", "address", "Address to listen on; 0.0.0.0 or :: for every interface."),
  port: integer(7400, "port", 0, 65_535, "Port for WebSocket and HTTP; 0 takes any free one."),
  publicUrl: z
    .string()
    .transform((url, context) => {
      try {
        return url === "" ? "" : normalizeRelayUrl(url);
      } catch (error) {
        context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
        return z.NEVER;
      }
    })
    .default("")
    .meta({
      unit: "URL",
      description:
        "URL under which agents reach this relay and which their auth lines name; empty: the address listened on.",
    }),
  name: text("ants relay", "text", "Name shown in hello and on the status page.", 64),
  trustProxy: flag("Take a client's address from the last X-Forwarded-For value: only behind a proxy that sets it."),

  handlesPerAgent: integer(8, "names", 0, 1_000_000, "Names under the public URL's host that one agent gets; 0: none."),
  reservedHandles: text(
    RESERVED_NAMES.join(" "),
    "names",
    "Names that nobody gets here, with spaces or commas between; those given before are no longer served.",
    16 * KIB,
  ),
  ban: z
    .string()
    .max(MIB)
    .refine((words) => wordsOf(words).every(isDid), "expected DIDs like did:ants:…, with spaces or commas between")
    .default("")
    .meta({
      unit: "DIDs",
      description:
        "Agents from whom nothing more is taken, with spaces or commas between; what is here of them is still served.",
    }),

  data: text("ants-relay-data", "folder", "Folder of the log, the tree, the index and the relay's key.", 4096),
  newStream: flag("Begin a new stream with the entries that are here: agents and readers will notice. For one start."),
  segmentBytes: integer(64 * MIB, "bytes", MIB, 4 * GIB, "Size at which a new log segment starts."),
  workers: integer(0, "threads", 0, 64, "Threads that verify entries; 0: one per core."),

  maxLineBytes: integer(DEFAULT_LIMITS.maxLineBytes, "bytes", KIB, DEFAULT_LIMITS.maxLineBytes, "Longest entry line."),
  maxDepth: integer(DEFAULT_LIMITS.maxDepth, "levels", 4, MAX_DEPTH, "Deepest nesting of an entry."),
  maxOperationBytes: integer(
    DEFAULT_LIMITS.maxOperationBytes,
    "bytes",
    KIB,
    DEFAULT_LIMITS.maxOperationBytes,
    "Longest identity operation.",
  ),
  maxOperationsPerEra: integer(
    DEFAULT_LIMITS.maxOperationsPerEra,
    "operations",
    1,
    1_000_000,
    "Updates of one agent between two rotates; an authorised rotate is never counted.",
  ),
  maxFrameBytes: integer(
    DEFAULT_LIMITS.maxFrameBytes,
    "bytes",
    128 * KIB,
    DEFAULT_LIMITS.maxFrameBytes,
    "Largest frame.",
  ),
  maxFrameEntries: integer(
    DEFAULT_LIMITS.maxFrameEntries,
    "entries",
    1,
    DEFAULT_LIMITS.maxFrameEntries,
    "Entries of one frame.",
  ),
  maxFollows: integer(DEFAULT_LIMITS.maxFollows, "follows", 1, 4096, "Follows of one connection."),
  maxUnsentBytes: integer(
    DEFAULT_LIMITS.maxUnsentBytes,
    "bytes",
    MIB,
    GIB,
    "Written but unsent bytes of one connection; above it nothing more is read for it until it drains.",
  ),

  entriesPerSecond: integer(DEFAULT_LIMITS.entriesPerSecond, "entries/s", 0, 10_000_000, "Entries of one DID; 0: off."),
  entriesBurst: integer(DEFAULT_LIMITS.entriesBurst, "entries", 1, 10_000_000, "Entries of one DID at once."),
  newDidsPerHour: integer(
    DEFAULT_LIMITS.newDidsPerHour,
    "DIDs/hour",
    0,
    10_000_000,
    "New DIDs from one address (one /64 of IPv6); 0: off.",
  ),
  backfillBytesPerMinute: integer(
    DEFAULT_LIMITS.backfillBytesPerMinute,
    "bytes/min",
    0,
    64 * GIB,
    "Older epochs of one chain, sent by its own author; 0: off.",
  ),

  maxConnections: integer(1000, "connections", 1, 1_000_000, "Open connections, HTTP and WebSocket together."),
  maxConnectionsPerAddress: integer(
    256,
    "connections",
    0,
    1_000_000,
    "Open connections of one address (one /64 of IPv6); 0: off.",
  ),
  connectionsPerSecond: integer(
    50,
    "connections/s",
    0,
    1_000_000,
    "New connections of one address, five seconds' worth at once; 0: off. Behind a proxy (trust_proxy) it does not apply.",
  ),
  maxInFlightFrames: integer(
    64,
    "frames",
    1,
    4096,
    "Frames of one connection that are not answered yet; above it the connection is not read.",
  ),
  maxAwaitingBytes: integer(
    32 * MIB,
    "bytes",
    MIB,
    64 * GIB,
    "Received and not yet answered, all connections together; above it only one frame each is taken.",
  ),
  maxUnsentTotalBytes: integer(
    16 * MIB,
    "bytes",
    MIB,
    64 * GIB,
    "Written and unsent, all connections together; above it readers get small frames, one at a time.",
  ),
  headersTimeoutMs: integer(10_000, "ms", 100, 600_000, "Time in which an HTTP request's header must arrive."),
  requestTimeoutMs: integer(
    30_000,
    "ms",
    100,
    3_600_000,
    "Time in which an HTTP request, or a WebSocket message once begun, must have arrived.",
  ),
  pingIntervalMs: integer(15_000, "ms", 100, 600_000, "Pause between two pings of a connection."),
  silenceTimeoutMs: integer(
    120_000,
    "ms",
    200,
    3_600_000,
    "A connection that in this time neither answered, sent nor took anything is closed.",
  ),
  shutdownDeadlineMs: integer(10_000, "ms", 0, 600_000, "Time for an orderly shutdown; then connections are cut."),
  logLevel: z
    .enum(LOG_LEVELS)
    .default("info")
    .meta({ unit: LOG_LEVELS.join(", "), description: "Least important kind of log record that is written." }),
});

/** All settings, checked. */
export type RelayConfig = z.output<typeof relayConfigSchema>;
/** Settings as a program gives them: whatever is left out has its default. */
export type RelayConfigInput = z.input<typeof relayConfigSchema>;

/** One setting under its four names, as {@link relayConfigFields} lists them. */
export interface ConfigField {
  /** In code: `maxFrameBytes`. */
  readonly name: keyof RelayConfig;
  /** On the command line: `--max-frame-bytes`. */
  readonly flag: string;
  /** In the environment: `ANTS_RELAY_MAX_FRAME_BYTES`. */
  readonly variable: string;
  /** In the TOML file: `max_frame_bytes`. */
  readonly key: string;
  readonly type: "text" | "integer" | "boolean" | "choice";
  /** Of a choice: what can be chosen. */
  readonly choices?: readonly string[];
  readonly unit: string;
  readonly default: string | number | boolean;
  readonly description: string;
}

/** Where settings come from; each source overrides those after it. */
export interface ConfigSources {
  /** By their name in code, as an option parser gives them; text is read as in the environment; undefined is absent. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** The environment: only names that start with `ANTS_RELAY_` are looked at. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A TOML file, already read. */
  readonly file?: { readonly path: string; readonly text: string };
}

const PREFIX = "ANTS_RELAY_";

/** Every setting with its names, type, unit, default and description, in the schema's order. */
export function relayConfigFields(): ConfigField[] {
  return Object.entries(relayConfigSchema.shape).map(([name, schema]) => {
    const meta = schema.meta() as { unit: string; description: string };
    const inner = schema.unwrap();
    const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return {
      name: name as keyof RelayConfig,
      flag: `--${words}`,
      variable: PREFIX + words.replaceAll("-", "_").toUpperCase(),
      key: words.replaceAll("-", "_"),
      ...typeOf(inner),
      unit: meta.unit,
      default: schema.parse(undefined),
      description: meta.description,
    };
  });
}

/**
 * Brings the sources together and checks the result. Throws `config-unknown` (a name that no setting has),
 * `config-value` (details: the setting and where it was set) or `config-file` (not TOML).
 */
export function resolveRelayConfig(sources: ConfigSources): RelayConfig {
  const fields = relayConfigFields();
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  const take = (field: ConfigField, value: unknown, origin: string) => {
    values[field.name] = typeof value === "string" ? fromText(field, value, origin) : value;
    origins[field.name] = origin;
  };
  if (sources.file !== undefined) {
    for (const [key, value] of Object.entries(readToml(sources.file))) {
      const field = fields.find((candidate) => candidate.key === key);
      if (field === undefined)
        throw unknown(
          key,
          sources.file.path,
          fields.map((candidate) => candidate.key),
        );
      take(field, value, `${sources.file.path}: ${key}`);
    }
  }
  for (const [variable, value] of Object.entries(sources.env ?? {})) {
    if (!variable.startsWith(PREFIX) || value === undefined) continue;
    const field = fields.find((candidate) => candidate.variable === variable);
    if (field === undefined)
      throw unknown(
        variable,
        "the environment",
        fields.map((candidate) => candidate.variable),
      );
    take(field, value, variable);
  }
  for (const [name, value] of Object.entries(sources.flags ?? {})) {
    if (value === undefined) continue;
    const field = fields.find((candidate) => candidate.name === name);
    if (field === undefined)
      throw unknown(
        name,
        "the command line",
        fields.map((candidate) => candidate.name),
      );
    take(field, value, field.flag);
  }
  return parseRelayConfig(values, origins);
}

/** Checks settings given in code and fills in the defaults. Throws `config-value`. */
export function parseRelayConfig(
  values: RelayConfigInput | Record<string, unknown>,
  origins: Readonly<Record<string, string>> = {},
): RelayConfig {
  const result = relayConfigSchema.safeParse(values);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const name = String(issue.path[0] ?? "");
  const where = origins[name] ?? (name === "" ? "the relay's settings" : name);
  throw new AntsError("config-value", `${where}: ${issue.message}`, {
    hint: `the settings, their units and defaults are listed in docs/relay-config.md`,
    details: { field: name },
  });
}

/** The words of a setting that is a list. */
export function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/** The limits that a configured relay states in `hello` and enforces. */
export function limitsOf(config: RelayConfig): RelayLimits {
  const names = Object.keys(DEFAULT_LIMITS) as (keyof RelayLimits)[];
  return Object.fromEntries(names.map((name) => [name, config[name]])) as unknown as RelayLimits;
}

function typeOf(schema: z.ZodType): Pick<ConfigField, "type" | "choices"> {
  if (schema instanceof z.ZodEnum) return { type: "choice", choices: schema.options.map(String) };
  if (schema instanceof z.ZodNumber) return { type: "integer" };
  return { type: schema instanceof z.ZodBoolean ? "boolean" : "text" };
}

function fromText(field: ConfigField, value: string, origin: string): unknown {
  if (field.type === "integer" && /^(0|[1-9][0-9_]*)$/.test(value)) return Number(value.replaceAll("_", ""));
  if (field.type === "boolean" && /^(true|yes|1)$/i.test(value)) return true;
  if (field.type === "boolean" && /^(false|no|0)$/i.test(value)) return false;
  if (field.type === "text" || field.type === "choice") return value;
  const expected = field.type === "integer" ? `a whole number of ${field.unit}` : "true or false";
  throw new AntsError("config-value", `${origin}: expected ${expected}, got "${value.slice(0, 40)}"`, {
    details: { field: field.name },
  });
}

function readToml(file: { path: string; text: string }): Record<string, unknown> {
  try {
    return parseToml(file.text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new AntsError("config-file", `${file.path}: ${reason}`, { cause, details: { path: file.path } });
  }
}

function unknown(name: string, where: string, names: readonly string[]): AntsError {
  const bare = (text: string) => text.toLowerCase().replace(/[^a-z]/g, "");
  const close = names.filter(
    (candidate) => bare(candidate).includes(bare(name)) || bare(name).includes(bare(candidate)),
  );
  return new AntsError("config-unknown", `${where} sets "${name}", which is not a setting of a relay`, {
    hint: close.length > 0 ? `did you mean ${close.join(" or ")}?` : `the settings are: ${names.join(", ")}`,
    details: { name },
  });
}
