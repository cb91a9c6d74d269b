/** Which of several media types an Accept header wants (RFC 9110 section 12.5.1). */

/** Ranges of one header that are looked at. */
const MAX_RANGES = 32;
/** A list's elements: commas in quotes do not end one. */
const ELEMENT = /(?:[^,"]|"(?:[^"\\]|\\.)*")+/g;
const PARAMETER = /;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)/g;

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/**
 * The offered media type that the header prefers: the highest quality, then what it names first, then what is offered
 * first. Without a header the first offer; undefined where none is acceptable.
 */
export function preferredType(accept: string | undefined, offers: readonly string[]): string | undefined {
  if (accept === undefined || accept.trim() === "") return offers[0];
  const ranges = (accept.match(ELEMENT) ?? []).slice(0, MAX_RANGES).map(parseRange);
  let best: { readonly offer: string; readonly quality: number } | undefined;
  for (const range of ranges) {
    const offer = offers.find((candidate) => fits(range, parseRange(candidate)));
    if (offer === undefined || range.quality === 0) continue;
    if (best === undefined || range.quality > best.quality) best = { offer, quality: range.quality };
  }
  return best?.offer;
}

function parseRange(text: string): Range {
  const type = text.split(";", 1)[0]!.trim().toLowerCase();
  const parameters = new Map<string, string>();
  for (const [, name, value] of text.matchAll(PARAMETER)) {
    parameters.set(name!.toLowerCase(), value!.replace(/^"|"$/g, ""));
  }
  const quality = Number(parameters.get("q") ?? 1);
  parameters.delete("q");
  return { type, parameters, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

function fits({ type, parameters }: Range, offer: Range): boolean {
  const [group] = offer.type.split("/");
  if (type !== "*/*" && type !== `${group}/*` && type !== offer.type) return false;
  return [...parameters].every(([name, value]) => offer.parameters.get(name) === value);
}
