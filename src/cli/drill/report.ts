import type { Isolation } from "./bed.js";
import type { ScenarioResult } from "./drill.js";
import type { Check } from "./stage.js";

/** A scenario that was asked for, and that these hosts do not allow. */
export interface NotPlayed {
  readonly name: string;
  readonly title: string;
  readonly why: string;
}

/** What `ants drill --json` prints and report.json holds. */
export interface DrillReport {
  readonly passed: boolean;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly software: string;
  readonly isolation: Isolation;
  readonly scenarios: readonly ScenarioResult[];
  /** What could not be played here, with the reason. */
  readonly notPlayed: readonly NotPlayed[];
  /** What was checked of the whole: the capture, the newest real backup. */
  readonly checks: readonly Check[];
}

/** One page that needs nothing else: no script, no font, no address. */
export function reportHtml(report: DrillReport): string {
  const { passed, startedAt, seconds, software, isolation, scenarios, notPlayed, checks } = report;
  const good = scenarios.filter((scenario) => scenario.passed).length;
  const kept = {
    namespaces:
      "each host and relay in a network namespace with its own address, each host with its own user, disk and clock",
    processes: "hosts and relays as processes and folders of one user on this machine",
    hosts: "on given hosts, reached by ssh, with relays on this machine",
  }[isolation];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ants drill: ${passed ? "passed" : "FAILED"}, ${escaped(startedAt)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1 class="${passed ? "ok" : "bad"}">${passed ? "The agent came back every time" : "The drill failed"}</h1>
<p>${good} of ${scenarios.length} scenarios passed in ${seconds.toFixed(1)} s, on ${escaped(startedAt)}, with ${escaped(software)}: ${kept}.
The agents were made for this drill; in each scenario one counts on its chain, and calls a receiver once for every number.</p>
${checks.length === 0 ? "" : `<section><h2>Overall</h2>${checkTable(checks)}</section>`}
<table class="summary"><thead><tr><th>Result</th><th>What was lost</th><th>Checks</th><th>Seconds</th></tr></thead><tbody>
${[...scenarios.map(summaryRow), ...notPlayed.map(notPlayedRow)].join("\n")}
</tbody></table>
${scenarios.map(section).join("\n")}
</body>
</html>
`;
}

function summaryRow({ name, title, passed, checks, seconds }: ScenarioResult): string {
  const held = checks.filter(({ ok }) => ok).length;
  return `<tr><td>${mark(passed)}</td><td><a href="#${escaped(name)}">${escaped(title)}</a></td><td>${held} of ${checks.length}</td><td>${seconds.toFixed(1)}</td></tr>`;
}

function notPlayedRow({ title, why }: NotPlayed): string {
  return `<tr><td>not played here</td><td>${escaped(title)}</td><td colspan="2">${escaped(why)}</td></tr>`;
}

function section({ name, title, passed, checks, moments, error }: ScenarioResult): string {
  const timeline = moments.map(({ seconds, what }) => `<li><time>${seconds.toFixed(2)} s</time> ${escaped(what)}</li>`);
  return `<section id="${escaped(name)}"><h2>${mark(passed)} ${escaped(title)}</h2>
${error === undefined ? "" : `<pre>${escaped(error)}</pre>`}
${checkTable(checks)}
<ol>${timeline.join("\n")}</ol></section>`;
}

function checkTable(checks: readonly Check[]): string {
  const rows = checks.map(
    ({ what, ok, found }) => `<tr><td>${mark(ok)}</td><td>${escaped(what)}</td><td>${escaped(found)}</td></tr>`,
  );
  return `<table><thead><tr><th></th><th>What has to be so</th><th>What was found</th></tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
}

function mark(ok: boolean): string {
  return ok ? '<span class="ok">passed</span>' : '<span class="bad">FAILED</span>';
}

function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.8rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
ol { list-style: none; padding: 0; } li { padding-left: 5.5rem; text-indent: -5.5rem; overflow-wrap: anywhere; }
time { display: inline-block; width: 5rem; text-indent: 0; text-align: right; margin-right: .5rem; opacity: .7; font-variant-numeric: tabular-nums; }
.ok { color: #18794e; } .bad { color: #c62a2f; font-weight: bold; } h1.bad { font-weight: bold; }
@media (prefers-color-scheme: dark) { .ok { color: #4cc38a; } .bad { color: #ff6369; } }
pre { overflow: auto; padding: .6rem; border: 1px solid #8884; }
@media print { a { color: inherit; text-decoration: none; } }`;
