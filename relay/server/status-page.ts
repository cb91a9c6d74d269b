/** The page that a person sees who opens a relay's address in a browser: plain HTML, no scripts, nothing from elsewhere. */
import type { RelayInfo } from "../../src/protocol/relay-info.js";

/** The page loads nothing and runs nothing. */
export const STATUS_PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  "cache-control": "no-store",
};

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; width: 100%; }
  th { text-align: left; font-weight: 600; padding: .3rem 1rem .3rem 0; vertical-align: top; white-space: nowrap; }
  td { padding: .3rem 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
  .ready { color: #176b2c; } .not-ready { color: #a11; }
  @media (prefers-color-scheme: dark) {
    body { background: #111; color: #ddd; } .ready { color: #6c6; } .not-ready { color: #f77; } a { color: #8bf; }
  }`;

export function statusPage(
  info: RelayInfo,
  cursor: string,
  reason: { code: string; message: string } | undefined,
  handleHost: string | undefined,
): string {
  const state =
    reason === undefined
      ? '<p class="ready">Ready: takes and serves entries.</p>'
      : `<p class="not-ready">Not ready (${escapeHtml(reason.code)}): ${escapeHtml(reason.message)}</p>`;
  const rows: [string, string][] = [
    ["URL", info.url],
    ["Stream", info.stream],
    ["Cursor", cursor],
    ["Key", info.key],
    ["Handles", handleHost === undefined ? "none" : `name@${handleHost}`],
    ["Durability", info.policy.durability],
    ["Software", info.software],
    ...Object.entries(info.limits).map(([name, value]): [string, string] => [name, String(value)]),
  ];
  const table = rows.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(info.name)}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>${escapeHtml(info.name)}</h1>
${state}
<table>
${table.join("\n")}
</table>
<p><a href="/entries">entries</a> · <a href="/checkpoint">signed head</a> · <a href="/.well-known/ants-relay">description</a></p>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
