/**
 * Loaded before a program of the drill (`node --import`): what is different on that program's host where hosts are
 * only folders. DRILL_CLOCK_MS puts its clock off; DRILL_PORTS ({"<port>": port}) leads its connections to loopback
 * ports through a proxy that can be cut. Programs of the drill only; nothing else of the package loads it.
 */
import { Socket } from "node:net";

const offsetMs = Number(process.env.DRILL_CLOCK_MS ?? 0);
if (offsetMs !== 0) {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args: [] | ConstructorParameters<DateConstructor>) {
      if (args.length === 0) super(RealDate.now() + offsetMs);
      else super(...(args as ConstructorParameters<DateConstructor>));
    }
    static override now(): number {
      return RealDate.now() + offsetMs;
    }
  } as DateConstructor;
}

const ports = JSON.parse(process.env.DRILL_PORTS ?? "{}") as Readonly<Record<string, number>>;
if (Object.keys(ports).length > 0) {
  const connect = Socket.prototype.connect as (...args: unknown[]) => Socket;
  // Everything of Node connects through here, with options that are normalised to [{port, host}, callback] by then.
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
    const [first] = args;
    const options = (Array.isArray(first) ? first[0] : first) as { port?: number | string } | undefined;
    const other = typeof options === "object" ? ports[String(options?.port)] : undefined;
    if (other !== undefined) options!.port = other;
    return connect.apply(this, args);
  } as typeof Socket.prototype.connect;
}
