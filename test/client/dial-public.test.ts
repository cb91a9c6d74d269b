import { createServer } from "node:net";
import { expect, it } from "vitest";
import { dial } from "../../src/client/socket/node.js";

it("a name that leads into this machine is not dialled where only public ones may be", async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as { port: number };
  const codeOf = (publicOnly: boolean) =>
    dial(`ws://localhost:${port}`, { protocol: "ants.1", maxMessageBytes: 1_000, publicOnly }).catch(
      (error: { code: string }) => error.code,
    );
  try {
    expect(await codeOf(true)).toBe("relay-unreachable");
    expect(connections).toBe(0);
    expect(await codeOf(false)).toBe("relay-unreachable");
    expect(connections).toBe(1);
  } finally {
    server.close();
  }
});
