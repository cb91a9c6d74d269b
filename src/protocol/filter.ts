/**
 * A filter says which entries of a log a reader wants: arrays are "any of", fields are "and", the empty filter is
 * everything. `kinds`, `to` and `tags` speak of events; with one of them, other entries don't match.
 */
import { isDid } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { ParsedEntry } from "./entry.js";
import { ENTRY_TYPES, type EntryType } from "./entry-type.js";
import { KIND, TAG_LABEL } from "./event.js";
import { MAX_FILTER_VALUES } from "./limits.js";

export interface Filter {
  /** Authors. */
  readonly dids?: readonly string[];
  readonly kinds?: readonly string[];
  /** Recipients. */
  readonly to?: readonly string[];
  readonly tags?: readonly string[];
  readonly types?: readonly EntryType[];
}

/** What a filter looks at; an index row is enough for it. */
export interface FilterSubject {
  readonly type: EntryType;
  readonly did: string;
  /** Events only. */
  readonly kind?: string;
  readonly to?: readonly string[];
  readonly tags?: readonly string[];
}

const FIELDS = {
  dids: { query: "did", expected: "DIDs", accepts: isDid },
  kinds: { query: "kind", expected: "kinds", accepts: (text: string) => KIND.test(text) },
  to: { query: "to", expected: "DIDs", accepts: isDid },
  tags: { query: "tag", expected: "tags", accepts: (text: string) => TAG_LABEL.test(text) },
  types: { query: "type", expected: ENTRY_TYPES.join(", "), accepts: (text: string) => isEntryType(text) },
} as const;

type FieldName = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as FieldName[];

/**
 * Reads a filter from JSON. Throws `bad-filter`: an unknown field (it might be a condition that this side would
 * ignore), an empty array (it matches nothing), more than 256 values, a value that cannot occur.
 */
export function parseFilter(value: unknown): Filter {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badFilter("filter", `an object with some of ${NAMES.join(", ")}`);
  }
  for (const name of Object.keys(value)) {
    if (!(NAMES as string[]).includes(name)) throw badFilter(name, `one of ${NAMES.join(", ")}`);
  }
  const filter: { -readonly [name in FieldName]?: readonly string[] } = {};
  for (const name of NAMES) {
    const list = (value as Record<string, unknown>)[name];
    if (list === undefined) continue;
    const { expected, accepts } = FIELDS[name];
    if (!Array.isArray(list) || list.length === 0 || list.length > MAX_FILTER_VALUES) {
      throw badFilter(name, `an array of 1 to ${MAX_FILTER_VALUES} ${expected}`);
    }
    for (const item of list) {
      if (typeof item !== "string" || !accepts(item)) throw badFilter(name, `an array of ${expected}`);
    }
    filter[name] = [...new Set<string>(list)];
  }
  return filter as Filter;
}

/** Reads a filter from a query string: `did`, `kind`, `to`, `tag`, `type`, each as often as wanted. Throws `bad-filter`. */
export function filterOfQuery(query: URLSearchParams): Filter {
  const filter: Partial<Record<FieldName, string[]>> = {};
  for (const name of NAMES) {
    const values = query.getAll(FIELDS[name].query);
    if (values.length > 0) filter[name] = values;
  }
  return parseFilter(filter);
}

/** Adds a filter to a query string, as {@link filterOfQuery} reads it. */
export function addFilterToQuery(filter: Filter, query: URLSearchParams): void {
  for (const name of NAMES) for (const value of filter[name] ?? []) query.append(FIELDS[name].query, value);
}

/** Whether a filter wants an entry. */
export function matches(filter: Filter, entry: ParsedEntry | FilterSubject): boolean {
  const subject: FilterSubject = "event" in entry ? entry.event : entry;
  if (filter.types !== undefined && !filter.types.includes(subject.type)) return false;
  if (filter.dids !== undefined && !filter.dids.includes(subject.did)) return false;
  if (filter.kinds !== undefined && (subject.kind === undefined || !filter.kinds.includes(subject.kind))) return false;
  return anyOf(filter.to, subject.to) && anyOf(filter.tags, subject.tags);
}

function anyOf(wanted: readonly string[] | undefined, present: readonly string[] | undefined): boolean {
  if (wanted === undefined) return true;
  if (present === undefined) return false;
  return present.some((value) => wanted.includes(value));
}

function isEntryType(text: string): text is EntryType {
  return (ENTRY_TYPES as readonly string[]).includes(text);
}

function badFilter(field: string, expected: string): AntsError {
  return new AntsError("bad-filter", `filter field ${field}: expected ${expected}`, { details: { field, expected } });
}
