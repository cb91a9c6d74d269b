import { expect, it, vi } from "vitest";
import { RelayConnection } from "../../src/client/connection.js";
import { Courier, type CourierContext } from "../../src/client/courier.js";
import { systemPorts } from "../../src/client/ports.js";

/** Port 9 (discard) of this machine: nobody listens there. */
const DEAD = "ws://127.0.0.1:9";

it("leaves nothing on the signal of its whole life, however often it dials in vain", async () => {
  const made = vi.spyOn(AbortSignal, "any");
  const life = new AbortController();
  const failed = new Promise<string>((resolve) => {
    // No relay answers, so neither chain nor identity is asked for anything.
    const context = {
      ports: systemPorts,
      connect: (url: string) => new RelayConnection(url, systemPorts),
      delivered: () => resolve("delivered"),
      refused: () => resolve("refused"),
      failed: (_url: string, { code }: { code: string }) => resolve(code),
    } as unknown as CourierContext;
    const courier = new Courier(DEAD, context);
    courier.carry({ id: "00", seq: 1, to: [] });
    void courier.run(life.signal);
  });
  expect(await failed).toBe("relay-unreachable");
  life.abort();
  expect(made).not.toHaveBeenCalled();
  made.mockRestore();
});
