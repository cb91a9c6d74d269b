import type { Filter } from "../../src/protocol/filter.js";
import type { IndexEntry } from "./index-group.js";
import { agentPostings, type TermField, termPostings } from "./index-keys.js";
import { Intersection, type PositionCursor, PostingCursor, Union } from "./position-cursor.js";
import type { Tables } from "./tables.js";

/** Entry types there are; a filter that names all of them asks for nothing. */
const TYPES = 3;

/** A filter whose DIDs are agent numbers; DIDs that the index doesn't know are left out. */
interface SearchTerms {
  readonly agentNos?: readonly number[];
  readonly kinds?: readonly string[];
  readonly to?: readonly string[];
  readonly tags?: readonly string[];
  readonly types?: readonly string[];
}

/** What a search found. */
export interface Found {
  /** In ascending order. */
  readonly positions: readonly number[];
  /** Every entry up to here was looked at: go on after it. */
  readonly through: number;
}

export interface SearchBounds {
  /** Positions to find at most. */
  readonly limit: number;
  /** Lookups after which the search stops where it is, so that a rare combination cannot hold up the relay. */
  readonly maxSteps: number;
}

export function searchTerms(filter: Filter, agentNoOf: (did: string) => number | undefined): SearchTerms {
  const { dids, types, ...rest } = filter;
  const agentNos = dids?.map(agentNoOf).filter((no) => no !== undefined);
  return {
    ...rest,
    ...(agentNos === undefined ? {} : { agentNos }),
    ...(types === undefined || types.length === TYPES ? {} : { types }),
  };
}

/** Whether a filter wants an entry: what `matches` of src/protocol/filter.ts says, over index entries. */
export function wants(terms: SearchTerms, entry: IndexEntry): boolean {
  if (terms.types !== undefined && !terms.types.includes(entry.type)) return false;
  if (terms.agentNos !== undefined && !terms.agentNos.includes(entry.agentNo)) return false;
  if (terms.kinds !== undefined && (entry.kind === undefined || !terms.kinds.includes(entry.kind))) return false;
  if (terms.to !== undefined && !entry.to?.some((did) => terms.to?.includes(did))) return false;
  return terms.tags === undefined || entry.tags?.some((tag) => terms.tags?.includes(tag)) === true;
}

/** Searches the postings for what lies in (after, until]. */
export function searchPostings(
  tables: Tables,
  terms: SearchTerms,
  { after, until }: { readonly after: number; readonly until: number },
  bounds: SearchBounds,
): Found {
  const cursors = cursorsOf(tables, terms);
  const positions: number[] = [];
  if (cursors.length === 0) {
    const last = Math.min(until, after + bounds.limit);
    for (let position = after + 1; position <= last; position++) positions.push(position);
    return { positions, through: last };
  }
  const search = new Intersection(cursors);
  let from = after + 1;
  let steps = bounds.maxSteps;
  while (from <= until) {
    const result = search.seek(from, Math.min(steps, STEPS_AT_ONCE));
    steps -= STEPS_AT_ONCE;
    if ("found" in result) {
      if (result.found > until) return { positions, through: until };
      positions.push(result.found);
      from = result.found + 1;
      if (positions.length >= bounds.limit) break;
    } else {
      from = result.passed;
    }
    if (steps <= 0) break;
  }
  return { positions, through: Math.min(from - 1, until) };
}

/** Steps that one find is charged at most before the budget is looked at again. */
const STEPS_AT_ONCE = 64;

/** One cursor for each field that the filter names, the rarest kind of field first. */
function cursorsOf(tables: Tables, terms: SearchTerms): PositionCursor[] {
  const cursors: PositionCursor[] = [];
  if (terms.agentNos !== undefined) {
    cursors.push(unionOf(terms.agentNos.map((no) => new PostingCursor(tables, tables.agents, agentPostings(no)))));
  }
  const fields: readonly (readonly [TermField, readonly string[] | undefined])[] = [
    ["to", terms.to],
    ["tag", terms.tags],
    ["kind", terms.kinds],
    ["type", terms.types],
  ];
  for (const [field, values] of fields) {
    if (values === undefined) continue;
    cursors.push(unionOf(values.map((value) => new PostingCursor(tables, tables.terms, termPostings(field, value)))));
  }
  return cursors;
}

function unionOf(cursors: readonly PositionCursor[]): PositionCursor {
  return cursors.length === 1 ? cursors[0]! : new Union(cursors);
}
