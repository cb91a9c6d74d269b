import { describe, expect, test } from "vitest";
import { chooseSubprotocol, SUBPROTOCOL, versionUnsupported } from "../../src/protocol/version.js";

describe("two sides of the wire", () => {
  test("find the version that both speak, among others", () => {
    expect(chooseSubprotocol(["ants.2", SUBPROTOCOL])).toBe("ants.1");
    expect(chooseSubprotocol(new Set([SUBPROTOCOL]))).toBe("ants.1");
  });

  test("without a common version are told which are spoken", () => {
    expect(chooseSubprotocol(["ants.2", "chat"])).toBeUndefined();
    expect(chooseSubprotocol([])).toBeUndefined();
    const error = versionUnsupported(["ants.2"]);
    expect(error.code).toBe("version-unsupported");
    expect(error.details).toEqual({ offered: ["ants.2"], spoken: ["ants.1"] });
    expect(versionUnsupported([]).message).toContain("offered none");
  });
});
