/**
 * Attacks a relay until a line arrives on stdin or the other side has ended it: `node attacker.mjs <attack> <url>
 * <local address>`. Writes one JSON line when it is under way and one with what it was told: codes of refusals, close
 * codes and statuses, and how many of its connections the relay closed.
 */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { constants, setPriority } from "node:os";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

// A real attacker has a machine of his own: this one must not win by taking the relay's processor.
setPriority(constants.priority.PRIORITY_LOW);

const [, , attack, url, localAddress] = process.argv;
const { hostname: host, port } = new URL(url);
const told = { codes: {}, closes: {}, opened: 0, closed: 0, sent: 0 };
let isOver = false;

const count = (where, what) => {
  where[what] = (where[what] ?? 0) + 1;
};

/** A WebSocket whose refusals and end are counted. */
function socket(onHello, onEnd = () => undefined) {
  const ws = new WebSocket(url, "ants.1", { localAddress, perMessageDeflate: false });
  let isGreeted = false;
  ws.once("open", () => told.opened++);
  ws.on("error", () => undefined);
  ws.on("unexpected-response", (_, response) => {
    let body = "";
    response.on("data", (part) => {
      body += part;
    });
    response.on("close", () => {
      countRefusal(body);
      ws.terminate();
    });
  });
  ws.on("message", (data) => {
    if (isGreeted) countRefusal(data);
    else {
      isGreeted = true;
      onHello(ws);
    }
  });
  ws.once("close", (code) => {
    if (isGreeted) {
      told.closed++;
      count(told.closes, code);
    }
    onEnd();
  });
  return ws;
}

function countRefusal(data) {
  const text = data.toString().split("\n", 1)[0];
  try {
    const { t, code } = JSON.parse(text);
    if (code !== undefined) count(told.codes, code);
    else count(told.codes, t);
  } catch {
    count(told.codes, "unreadable");
  }
}

/** A bare TCP connection; its answer's status and code are counted when it ends. */
function tcp(onConnect, onEnd = () => undefined) {
  const bare = connect({ host, port: Number(port), localAddress });
  let answer = "";
  bare.on("error", () => undefined);
  bare.once("connect", () => {
    told.opened++;
    onConnect(bare);
  });
  bare.setEncoding("utf8").on("data", (text) => {
    answer += text;
  });
  bare.once("close", () => {
    told.closed++;
    const code = /"code":"([a-z-]+)"/.exec(answer)?.[1];
    if (code !== undefined) count(told.codes, code);
    const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
    if (status !== undefined) count(told.closes, status);
    if (told.closed === told.opened) process.stdout.write(`${JSON.stringify({ ended: told.closed })}\n`);
    onEnd();
  });
  return bare;
}

/** Does it again as soon as it is over, `width` at once. */
function again(width, once) {
  const next = () => {
    if (!isOver) setImmediate(() => once(next));
  };
  for (let i = 0; i < width; i++) next();
}

const nonsense = [
  () => randomBytes(64 + Math.floor(Math.random() * 2_000)),
  () => '{"t":"sing","ref":1}\n',
  () => '[1,2,3]\n{"type":"event"}\n',
  () => `${"[".repeat(5_000)}\n`,
  () => '{"t":"publish","ref":2}\n',
  () => '{"t":"follow","ref":3,"after":"yesterday"}\n',
  () => `{"t":"publish","ref":4,"epoch":1}\n{"type":"event","body":"${"x".repeat(500)}"}\n`,
  () => "",
];

const attacks = {
  garbage: () =>
    again(32, (next) => {
      socket((ws) => {
        let i = 0;
        const more = () => {
          if (ws.readyState !== WebSocket.OPEN || isOver) return;
          for (let burst = 0; burst < 16; burst++, i++)
            ws.send(nonsense[i % nonsense.length](), { binary: i % 3 === 0 });
          told.sent += 16;
          setImmediate(more);
        };
        more();
      }, next);
    }),

  "large-frames": () => {
    const frame = Buffer.alloc(2 * 2 ** 20, "x");
    again(16, (next) => {
      socket((ws) => {
        told.sent++;
        ws.send(frame, { binary: false });
      }, next);
    });
  },

  "follows-one": () => {
    socket((ws) => {
      let ref = 0;
      const more = () => {
        for (let i = 0; i < 500 && ref < 10_000; i++) ws.send(`{"t":"follow","ref":${++ref},"after":"head"}\n`);
        told.sent = ref;
        if (ref < 10_000) setImmediate(more);
      };
      more();
    });
  },

  "follows-many": () => {
    for (let i = 0; i < 200; i++) {
      socket((ws) => {
        for (let ref = 1; ref <= 50; ref++) ws.send(`{"t":"follow","ref":${ref},"after":"head"}\n`);
        told.sent += 50;
      });
    }
  },

  "half-open": () => {
    const half = `GET / HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Ver`;
    for (let i = 0; i < 125; i++) {
      tcp(() => undefined);
      tcp((bare) => bare.write(half));
    }
  },

  "slow-headers": () => {
    for (let i = 0; i < 100; i++)
      tcp((bare) => drip(bare, `GET /entries HTTP/1.1\r\nHost: relay\r\nX: ${"y".repeat(999)}`));
  },

  "slow-bodies": () => {
    const head = "POST /entries HTTP/1.1\r\nHost: relay\r\nContent-Length: 100000\r\n\r\n";
    for (let i = 0; i < 100; i++) {
      tcp((bare) => {
        bare.write(head);
        drip(bare, `{"t":"publish","ref":0,"epoch":1}\n${"x".repeat(99_000)}`);
      });
    }
  },

  "never-reads": () => {
    for (let i = 0; i < 100; i++) {
      const ws = socket(() => {
        ws.send('{"t":"follow","ref":1,"after":"start"}\n');
        ws.pause();
      });
    }
  },

  connections: () =>
    again(64, (next) => {
      const bare = connect({ host, port: Number(port), localAddress });
      bare.on("error", () => undefined);
      bare.once("connect", () => {
        told.opened++;
        bare.destroy();
      });
      bare.once("close", next);
    }),

  upgrades: () => again(64, (next) => void socket((ws) => ws.terminate(), next)),
};

/** One byte every 50 ms. */
function drip(bare, text) {
  let at = 0;
  const timer = setInterval(() => bare.write(text[at++ % text.length]), 50);
  bare.once("close", () => clearInterval(timer));
}

attacks[attack]();
const startedMs = performance.now();
process.stdout.write(`${JSON.stringify({ attack })}\n`);
createInterface({ input: process.stdin }).once("line", () => {
  isOver = true;
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`${JSON.stringify({ ...told, seconds })}\n`, () => process.exit(0));
});
