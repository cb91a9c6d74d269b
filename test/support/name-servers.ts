import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OwnNetwork } from "./own-network.js";

/** Where they listen: addresses of documentation networks, which count as public, and one of this machine. */
export const ADDRESS = { dns: "203.0.113.53", web: "203.0.113.10", inside: "127.0.0.1" };

/** Knot DNS with a zone of records (lines of a zone file), and one zone that it cannot load: SERVFAIL. */
export async function startKnot(
  network: OwnNetwork,
  folder: string,
  records: readonly string[],
): Promise<ChildProcess> {
  const zone = ["$ORIGIN example.test.", "$TTL 60", "@ SOA ns hostmaster 1 60 60 60 60", "@ NS ns", ...records];
  mkdirSync(join(folder, "run"));
  writeFileSync(join(folder, "example.test.zone"), `${zone.join("\n")}\n`);
  writeFileSync(
    join(folder, "knot.conf"),
    `server:
    rundir: ${folder}/run
    listen: ${ADDRESS.dns}@53
database:
    storage: ${folder}/run
template:
  - id: default
    storage: ${folder}
    zonefile-load: whole
    journal-content: none
zone:
  - domain: example.test
    file: example.test.zone
  - domain: broken.test
    file: none.zone
`,
  );
  const ask = `const { Resolver } = require("node:dns/promises"); const dns = new Resolver({ timeout: 500, tries: 1 });
    dns.setServers(["${ADDRESS.dns}"]); dns.resolveSoa("example.test").catch(() => process.exit(1))`;
  const answers = async () => (await network.run([process.execPath, "-e", ask])).exit === 0;
  return network.serve(["knotd", "-c", join(folder, "knot.conf")], answers);
}

/** What nginx answers for one host name: directives of a server block. */
export type Site = readonly string[];

/** nginx with HTTPS for these hosts at the public address, and one at the address of this machine that logs its visitors. */
export async function startNginx(
  network: OwnNetwork,
  folder: string,
  sites: Readonly<Record<string, Site>>,
): Promise<{ readonly authority: string; visitorsInside(): string }> {
  const { authority, certificate, key } = certificates(folder);
  const tls = `ssl_certificate ${certificate}; ssl_certificate_key ${key};`;
  const blocks = Object.entries(sites).map(
    ([host, directives]) =>
      `server { listen ${ADDRESS.web}:443 ssl; server_name ${host}; ${tls}\n${directives.join("\n")} }`,
  );
  const inside = join(folder, "inside.log");
  writeFileSync(inside, "");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; user root; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events {}
http {
  access_log off; ${temporary.join(" ")}
  server { listen ${ADDRESS.web}:80; return 200 ready; }
  server { listen ${ADDRESS.inside}:443 ssl; ${tls} access_log ${inside};
    location / { default_type text/plain; return 200 "inside"; } }
  ${blocks.join("\n  ")}
}
`,
  );
  const nginx = ["nginx", "-c", join(folder, "nginx.conf"), "-p", folder, "-e", join(folder, "error.log")];
  const probe = `fetch("http://${ADDRESS.web}/").catch(() => process.exit(1))`;
  await network.serve(nginx, async () => (await network.run([process.execPath, "-e", probe])).exit === 0);
  return { authority, visitorsInside: () => readFileSync(inside, "utf8") };
}

/** A certificate authority, and a certificate of it for *.example.test. */
function certificates(folder: string) {
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...curve, "-subj", "/CN=test authority", "-keyout", at("ca.key"), "-out", at("ca.pem"));
  openssl("req", ...curve, "-subj", "/CN=example.test", "-keyout", at("web.key"), "-out", at("web.csr"));
  writeFileSync(at("names"), "subjectAltName=DNS:*.example.test,DNS:example.test");
  const by = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-extfile", at("names")];
  openssl("x509", "-req", "-in", at("web.csr"), ...by, "-days", "2", "-out", at("web.pem"));
  return { authority: at("ca.pem"), certificate: at("web.pem"), key: at("web.key") };
}
