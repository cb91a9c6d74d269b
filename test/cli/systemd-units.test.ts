import { describe, expect, test } from "vitest";
import { systemdUnits, type UnitPlan } from "../../src/cli/systemd-units.js";

const PLAN: UnitPlan = {
  name: "ants-backup-scout",
  label: "scout",
  command: ["/usr/bin/node", "main.js"],
  environment: {},
  writes: ["/srv/scout"],
  needsTmp: false,
  isOfUser: false,
};

describe("the service that makes backups", () => {
  test("has temporary folders of its own, unless what it needs lies in the shared ones", () => {
    const [{ text }] = systemdUnits(PLAN);
    expect(text).toContain("PrivateTmp=yes\n");
    const [service] = systemdUnits({ ...PLAN, needsTmp: true });
    expect(service.text).toBe(text.replace("PrivateTmp=yes\n", ""));
  });
});
