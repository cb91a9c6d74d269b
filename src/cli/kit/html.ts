import { printable } from "../text.js";
import { KIT_WORDS, type Kit, kitCommands, kitFacts } from "./kit.js";

/** One A4 or Letter page; no scripts, nothing loaded from anywhere, and a policy that says so to the browser. */
const STYLE = `
@page { margin: 12mm }
* { box-sizing: border-box }
body { font: 10pt/1.35 system-ui, sans-serif; color: #000; background: #fff; max-width: 186mm; margin: 0 auto; padding: 4mm }
h1 { font-size: 16pt; margin: 0 0 1mm }
h2 { font-size: 11pt; margin: 4mm 0 1mm }
p { margin: 0 0 2mm }
.warning { border: 2px solid #000; padding: 2mm; font-weight: bold }
table { border-collapse: collapse; width: 100% }
th { text-align: left; vertical-align: top; padding: 0 3mm 0.5mm 0; white-space: nowrap; font-weight: 600 }
td, code { font-family: ui-monospace, monospace; font-size: 9pt; overflow-wrap: anywhere; padding: 0 0 0.5mm }
ol { columns: 3; list-style: none; margin: 0; padding: 0 }
li { display: flex; gap: 2mm; height: 7mm; align-items: end; break-inside: avoid }
li span { width: 11mm; text-align: right; font-size: 8pt }
li b { flex: 1; border-bottom: 1px solid #000; font: 11pt ui-monospace, monospace; min-height: 5mm }
dt { font-weight: 600; margin-top: 1mm }
dd { margin: 0 }
.blank { display: inline-block; border-bottom: 1px solid #000; min-width: 110mm }
`;

/** The kit as a page to be printed. Every text from outside is escaped. */
export function kitHtml(kit: Kit): string {
  const warning =
    kit.words === undefined
      ? "Write the 24 words and the check word on this sheet by hand. Whoever has them is the agent."
      : "The words are on this sheet: whoever reads it is the agent. Print it, delete the file, keep the sheet off every machine.";
  const facts = kitFacts(kit).map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`);
  const commands = kitCommands(kit).map(
    ({ when, line }) => `<dt>${escaped(when)}</dt><dd><code>${escaped(line)}</code></dd>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>Recovery kit ${escaped(kit.fingerprint)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Recovery kit of an agent</h1>
<p class="warning">${warning}</p>
<table>
${facts.join("\n")}
<tr><th>copies</th><td>of the vault and backups are at: <span class="blank"></span></td></tr>
</table>
<h2>The recovery words</h2>
<ol>
${wordItems(kit.words).join("\n")}
</ol>
<h2>What to run</h2>
<dl>
${commands.join("\n")}
</dl>
</body>
</html>
`;
}

function wordItems(words: readonly string[] | undefined): string[] {
  return Array.from({ length: KIT_WORDS }, (_, i) => {
    const name = i + 1 === KIT_WORDS ? "check" : String(i + 1);
    return `<li><span>${name}</span><b>${escaped(words?.[i] ?? "")}</b></li>`;
  });
}

/** Text as HTML text or in an attribute with double quotes; characters that reorder what is shown become visible. */
function escaped(text: string): string {
  return printable(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
