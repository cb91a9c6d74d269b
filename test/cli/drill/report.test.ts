import { describe, expect, it } from "vitest";
import { type DrillReport, reportHtml } from "../../../src/cli/drill/report.js";

const report: DrillReport = {
  passed: false,
  startedAt: "2026-11-21T16:00:00.000Z",
  seconds: 31.5,
  software: "ants 0.1.0",
  isolation: "processes",
  scenarios: [
    {
      name: "partition",
      title: "host A <b>is</b> cut off & comes back",
      passed: false,
      seconds: 12.25,
      checks: [{ what: "A is fenced", ok: false, found: 'held after "9" s' }],
      moments: [{ seconds: 1.5, what: "B has the pen" }],
      error: "<script>alert(1)</script>",
    },
  ],
  notPlayed: [{ name: "pause", title: "host A is paused", why: "not by <ssh>" }],
  checks: [{ what: "the newest backup restores", ok: true, found: "ants-hot-20261121T150000Z-0a1b2c3d.tar.age" }],
};

describe("the drill's page", () => {
  const page = reportHtml(report);

  it("says what failed, what was found, and what happened when", () => {
    for (const text of [
      "The drill failed",
      "0 of 1 scenarios",
      "A is fenced",
      "1.50 s",
      "B has the pen",
      "newest backup",
      "not played here",
      "not by &lt;ssh&gt;",
    ])
      expect(page).toContain(text);
  });

  it("is one file that asks nobody for anything", () => {
    expect(page).not.toMatch(/<(script|link|img|iframe)|https?:|url\(|@import/);
  });

  it("shows texts, and obeys none of them", () => {
    expect(page).toContain("host A &lt;b&gt;is&lt;/b&gt; cut off &amp; comes back");
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  it("says so when everything held", () => {
    const good = { ...report, passed: true, scenarios: [{ ...report.scenarios[0]!, passed: true }] };
    expect(reportHtml(good)).toContain("The agent came back every time");
  });
});
