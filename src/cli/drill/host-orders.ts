/** What a drill asks of the service on a host (host-service.ts): a line of JSON each, over the stdin of its ssh. */
export type HostOrder = { readonly id: number } & (
  | {
      readonly do: "start";
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly program?: string;
    }
  | { readonly do: "input"; readonly of: number; readonly text: string }
  | { readonly do: "end-input"; readonly of: number }
  | { readonly do: "signal"; readonly of: number; readonly name: NodeJS.Signals }
  /** `bytes` in base64; `name` within the host's disk. */
  | { readonly do: "put"; readonly name: string; readonly bytes: string }
  /** Answered with base64, or null where there is no such file. */
  | { readonly do: "get"; readonly name: string }
  | { readonly do: "names"; readonly folder: string }
  | { readonly do: "erase" }
);

/** What the service says. Of a program that an order started: its lines, then its end. Of any other: one answer. */
export type HostAnswer =
  | { readonly ready: { readonly folder: string; readonly version: string } }
  | { readonly id: number; readonly line: string }
  | {
      readonly id: number;
      readonly exit: number | null;
      readonly killedBy: NodeJS.Signals | null;
      readonly errors: string;
    }
  | { readonly id: number; readonly value: string | readonly string[] | null }
  | { readonly id: number; readonly failed: string };
