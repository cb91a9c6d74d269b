import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { AwsV4Signer } from "aws4fetch";

const PROGRAM = fileURLToPath(new URL("./programs/s3-server.py", import.meta.url));

/**
 * OpenStack Swift with its S3 front (Debian: swift-proxy, swift-account, swift-container, swift-object), all in one
 * process of the tests' own: it checks signatures, their dates, the hash of bodies, and where told to If-None-Match.
 */
export class S3Server implements AsyncDisposable {
  /** Here it refuses If-None-Match on PUT with 501, as Swift does. */
  readonly url: string;
  /** Here it judges it, as Amazon's S3 does. */
  readonly conditionalUrl: string;
  readonly credentials = { accessKeyId: "test:tester", secretAccessKey: "testing" };
  readonly #child: ChildProcess;

  private constructor(port: number, conditional: number, child: ChildProcess) {
    this.url = `http://127.0.0.1:${port}`;
    this.conditionalUrl = `http://127.0.0.1:${conditional}`;
    this.#child = child;
  }

  /** `folder`: on a file system that has extended attributes. */
  static async start(folder: string): Promise<S3Server> {
    // The system's own Python has Swift; another one may come first on the PATH.
    const child = spawn("/usr/bin/python3", [PROGRAM, folder], { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-4096);
    });
    for await (const line of createInterface({ input: child.stdout })) {
      child.stdout.resume();
      const { port, conditional } = JSON.parse(line) as { port: number; conditional: number };
      return new S3Server(port, conditional, child);
    }
    throw new Error(
      `swift did not start (apt-get install swift-proxy swift-account swift-container swift-object): ${stderr}`,
    );
  }

  /** A signed request of the test's own; it must succeed. */
  async call(method: string, path: string, body?: string): Promise<void> {
    const signed = await new AwsV4Signer({
      method,
      url: this.url + path,
      service: "s3",
      region: "us-east-1",
      ...this.credentials,
    }).sign();
    const answer = await fetch(signed.url, {
      method,
      headers: signed.headers,
      ...(body === undefined ? {} : { body }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
