import { basename } from "node:path";

export interface UnitPlan {
  /** How the units are called: "ants-backup-scout". */
  readonly name: string;
  /** What is backed up, for people. */
  readonly label: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Folders that it writes to. */
  readonly writes: readonly string[];
  /** Something that it needs lies in one of {@link SHARED_TMP}. */
  readonly needsTmp: boolean;
  /** For a service manager of one user: without what only the system's may do. */
  readonly isOfUser: boolean;
  /** The system's unit runs as this user. */
  readonly user?: string;
  /** The file of the encrypted credential that opens the vault, where the environment names no other source. */
  readonly credential?: string;
}

export interface Unit {
  readonly file: string;
  readonly text: string;
}

/** What a service with PrivateTmp=yes sees nothing of: it gets folders of its own in their place. */
export const SHARED_TMP: readonly string[] = ["/tmp", "/var/tmp"];

/** What a service has no need of, it does not get. */
const HARDENED = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=read-only",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectHostname=yes",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "CapabilityBoundingSet=",
  "SystemCallArchitectures=native",
  "UMask=0077",
];

/**
 * A service that does what is due and ends, and a timer that starts it every quarter of an hour, and once after a time
 * in which the host was off. What is due is decided by the plan alone.
 */
export function systemdUnits(plan: UnitPlan): readonly [service: Unit, timer: Unit] {
  const { name, label, command, environment, writes, needsTmp, isOfUser, user, credential } = plan;
  const variables = Object.entries(environment).map(
    ([variable, value]) => `Environment=${quoted(`${variable}=${value}`)}`,
  );
  const service = [
    "[Unit]",
    `Description=Backups of the agent ${specifierless(oneLine(label))}`,
    ...(isOfUser ? [] : ["Wants=network-online.target", "After=network-online.target"]),
    "",
    "[Service]",
    "Type=oneshot",
    `ExecStart=${command.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ")}`,
    ...variables,
    ...(user === undefined || isOfUser ? [] : [`User=${user}`]),
    ...(credential === undefined ? [] : [`LoadCredentialEncrypted=ants-passphrase:${specifierless(credential)}`]),
    "TimeoutStartSec=6h",
    "Nice=10",
    "IOSchedulingClass=idle",
    ...(isOfUser
      ? ["NoNewPrivileges=yes", "UMask=0077"]
      : HARDENED.filter((line) => !needsTmp || line !== "PrivateTmp=yes")),
    // With "-": a folder that is not there (a stick that is not in) is an error of its target, and stops nothing else.
    ...(isOfUser ? [] : writes.map((folder) => `ReadWritePaths=${quoted(`-${folder}`)}`)),
    "",
  ];
  const timer = [
    "[Unit]",
    `Description=When backups of the agent ${specifierless(oneLine(label))} are made`,
    "",
    "[Timer]",
    "OnCalendar=*:0/15",
    "Persistent=yes",
    "AccuracySec=1min",
    "",
    "[Install]",
    "WantedBy=timers.target",
    "",
  ];
  return [
    { file: `${name}.service`, text: service.join("\n") },
    { file: `${name}.timer`, text: timer.join("\n") },
  ];
}

/** A name that systemd takes for a unit, from a label and the end of a DID. */
export function unitName(label: string, did: string): string {
  const plain = basename(label)
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 32);
  return `ants-backup-${plain === "" ? did.slice(-8) : plain}`;
}

/** A word as systemd.syntax(7) quotes it; specifiers (%) doubled. Control characters in a path have no other spelling. */
function quoted(word: string): string {
  const escaped = specifierless(word)
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

function specifierless(text: string): string {
  return text.replaceAll("%", "%%");
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
