import { describe, expect, test } from "vitest";
import { fromHex, hex } from "../../keys/bytes.js";
import {
  Frontier,
  leafHash,
  MerkleTree,
  merkleRoot,
  verifyConsistency,
  verifyInclusion,
} from "../../keys/merkle/index.js";
import { describeVectors } from "./shared-vectors.js";

interface Roots {
  leafInputsHex: string[];
  leafHashesHex: string[];
  rootHashesHexBySize: string[];
}

interface InclusionProbe {
  leafIdx: bigint;
  treeSize: bigint;
  root: string | null;
  leafHash: string | null;
  proof: string[] | null;
  wantErr: boolean;
}

interface ConsistencyProbe {
  size1: bigint;
  size2: bigint;
  root1: string | null;
  root2: string | null;
  proof: string[] | null;
  wantErr: boolean;
}

describeVectors("RFC 6962 (transparency-dev/merkle)", "rfc6962-merkle", (origin) => {
  describe("roots of the trees of 0 to 8 leaves", () => {
    const { leafInputsHex, leafHashesHex, rootHashesHexBySize } = origin.json<Roots>("roots.json");
    const leaves = leafInputsHex.map((text) => fromHex(text));

    test("whole", () => {
      expect(leaves.map((leaf) => hex(leafHash(leaf)))).toEqual(leafHashesHex);
      expect(rootHashesHexBySize.map((_, size) => hex(merkleRoot(leaves.slice(0, size))))).toEqual(rootHashesHexBySize);
    });

    test("leaf by leaf, over the frontier and the stored tree", () => {
      const frontier = Frontier.empty();
      const tree = new MerkleTree();
      for (const [size, root] of rootHashesHexBySize.entries()) {
        expect(hex(frontier.root())).toBe(root);
        expect(hex(tree.root())).toBe(root);
        if (size === leaves.length) break;
        frontier.append(leafHash(leaves[size]!));
        tree.append(leafHash(leaves[size]!));
      }
      expect(rootHashesHexBySize.map((_, size) => hex(tree.root(size)))).toEqual(rootHashesHexBySize);
    });
  });

  const probes = (kind: string) =>
    origin
      .list(`testdata/${kind}`)
      .flatMap((folder) =>
        origin.list(`testdata/${kind}/${folder}`).map((file) => `testdata/${kind}/${folder}/${file}`),
      );

  test("every inclusion probe is answered as it wants", () => {
    const answers = { accepted: 0, refused: 0 };
    for (const path of probes("inclusion")) {
      const probe = parseWithBigInts<InclusionProbe>(origin.text(path));
      const accepted = verifyInclusion({
        leaf: fromBase64(probe.leafHash),
        index: probe.leafIdx,
        size: probe.treeSize,
        path: (probe.proof ?? []).map(fromBase64),
        root: fromBase64(probe.root),
      });
      expect(accepted, path).toBe(!probe.wantErr);
      answers[accepted ? "accepted" : "refused"]++;
    }
    expect(answers).toEqual({ accepted: 2, refused: 29 });
  });

  test("every consistency probe is answered as it wants", () => {
    const answers = { accepted: 0, refused: 0 };
    for (const path of probes("consistency")) {
      const probe = parseWithBigInts<ConsistencyProbe>(origin.text(path));
      const accepted = verifyConsistency({
        size1: probe.size1,
        root1: fromBase64(probe.root1),
        size2: probe.size2,
        root2: fromBase64(probe.root2),
        proof: (probe.proof ?? []).map(fromBase64),
      });
      expect(accepted, path).toBe(!probe.wantErr);
      answers[accepted ? "accepted" : "refused"]++;
    }
    expect(answers).toEqual({ accepted: 2, refused: 20 });
  });
});

/** JSON whose integers may be beyond 2^53: they are read as bigints before the native parser could round them. */
function parseWithBigInts<T>(text: string): T {
  const quoted = text.replaceAll(/(:\s*)(-?[0-9]+)(?=\s*[,}])/g, '$1"#$2"');
  return JSON.parse(quoted, (_, value) =>
    typeof value === "string" && value.startsWith("#") ? BigInt(value.slice(1)) : value,
  ) as T;
}

function fromBase64(text: string | null): Uint8Array {
  return new Uint8Array(Buffer.from(text ?? "", "base64"));
}
