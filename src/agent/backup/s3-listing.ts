/** One page of what a bucket has (ListObjectsV2), as far as it is needed here. */
export interface S3Page {
  readonly objects: readonly { readonly key: string; readonly size: number }[];
  /** What the next page is asked for with; undefined on the last. */
  readonly next?: string;
}

const OBJECT = { begins: "<Contents>", ends: "</Contents>" } as const;
const SIZE = /^\d{1,15}$/;

/**
 * Undefined for whatever is no whole page: a proxy's greeting, a page that was cut off, one that says that there is more
 * and not where. To take any of these for an empty bucket would make archives missing that are there. In one pass: who
 * sends the text may have written it to take long.
 */
export function parsePage(xml: string): S3Page | undefined {
  if (!/<ListBucketResult[\s>]/.test(xml) || !xml.trimEnd().endsWith("</ListBucketResult>")) return undefined;
  const objects: { key: string; size: number }[] = [];
  for (let at = xml.indexOf(OBJECT.begins), end: number; at >= 0; at = xml.indexOf(OBJECT.begins, end)) {
    end = xml.indexOf(OBJECT.ends, at);
    if (end < 0) return undefined;
    const object = xml.slice(at, end);
    const key = xmlField(object, "Key");
    const size = xmlField(object, "Size") ?? "";
    if (key === undefined || !SIZE.test(size)) return undefined;
    objects.push({ key, size: Number(size) });
  }
  if (xmlField(xml, "IsTruncated") !== "true") return { objects };
  const next = xmlField(xml, "NextContinuationToken");
  return next === undefined || next === "" ? undefined : { objects, next };
}

/** The text of an XML element, the first of its name. */
export function xmlField(xml: string, name: string): string | undefined {
  const begins = xml.indexOf(`<${name}>`);
  const from = begins + name.length + 2;
  const to = begins < 0 ? -1 : xml.indexOf("<", from);
  if (to < 0 || !xml.startsWith(`</${name}>`, to)) return undefined;
  const text = xml.slice(from, to);
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g,
    (_, entity: string | undefined, decimal: string | undefined, hexadecimal: string | undefined) => {
      if (entity !== undefined) return ENTITIES[entity] ?? "";
      const code = decimal === undefined ? Number.parseInt(hexadecimal ?? "", 16) : Number(decimal);
      return code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
    },
  );
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
