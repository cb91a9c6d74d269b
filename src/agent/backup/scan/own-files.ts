/** Lines of a form that ants writes, and what of them is public: exact fields with exact values, never a line as a whole. */
export interface OwnForm {
  /** Matches such a line, or all that is its own in the file. */
  readonly lines: RegExp;
  readonly fields: readonly RegExp[];
}

/** A signed statement, whoever keeps it: chain, identity log, inbox, evidence. Its hashes, keys, signatures, and what is sealed. */
const STATEMENT_FIELDS: readonly RegExp[] = [
  /"(?:id|prev|identity|bodyHash|handover|request)":"[0-9a-f]{64}"/g,
  /"(?:sig|salt|enc|sealed|box|k|instance|stream|escrow)":"[A-Za-z0-9_-]{16,}"/g,
  /"(?:path|commit|over|reveal|ids)":\["[A-Za-z0-9_",-]+"\]/g,
  /"sigs":\{(?:"z[1-9A-HJ-NP-Za-km-z]+":"[A-Za-z0-9_-]{86}",?)+\}/g,
  /"did:ants:[a-z2-7]{52}":"[A-Za-z0-9_-]+"/g,
];
const STATEMENT: OwnForm = {
  lines: /^\{(?=.*(?:"did":"did:ants:[a-z2-7]{52}"|"op":"genesis"))(?=.*"sigs?":).*\}$/gm,
  fields: STATEMENT_FIELDS,
};

/** How far follows are, here and in files that a user names: ids, hashes of trees, and identity operations as text. */
const FOLLOW_FIELDS: readonly RegExp[] = [
  ...STATEMENT_FIELDS.map((field) => new RegExp(field.source.replaceAll('"', '\\\\"'), "g")),
  /[[,]"[0-9a-f]{64}"(?=[\],])/g,
  /"hashes":\[(?:"[A-Za-z0-9_-]{43}",?)+\]/g,
];
const FOLLOW_STATE: OwnForm = { lines: /^\{"v":1,"follows":\{.*\}\}$/gm, fields: FOLLOW_FIELDS };

/**
 * Files of `.ants` whose lines say nothing of what they are, by their paths. A large one is looked at in parts, and of a
 * part nothing but the path tells what it is of.
 */
const BY_PATH: readonly (readonly [path: RegExp, form: OwnForm])[] = [
  [/^\.ants\/(?:inbox\/)?cursors\.json$/, { lines: /^.+$/gm, fields: FOLLOW_FIELDS }],
  [/^\.ants\/left-behind-told$/, { lines: /^[0-9a-f]{64}$/gm, fields: [/.+/g] }],
  [/^\.ants\/instances\.ndjson$/, { lines: /^\{.*\}$/gm, fields: [/"boot":"[0-9a-f]{64}"/g] }],
  [/^\.ants\/moved\.json$/, { lines: /^\{.*\}$/gm, fields: [/"(?:request|handover)":"[0-9a-f]{64}"/g] }],
];

/** What may be looked away from in a file: by what its lines are, wherever it lies, and by its path where it is ants' own. */
export function ownPublicFields(path: string): readonly OwnForm[] {
  const ofPath = BY_PATH.flatMap(([pattern, form]) => (pattern.test(path) ? [form] : []));
  return [STATEMENT, FOLLOW_STATE, ...ofPath];
}
