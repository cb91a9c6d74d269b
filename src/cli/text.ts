import { styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];

/** Text in a style. A style is never bytes within a string: those could be anybody's. */
export interface Painted {
  readonly style: Style;
  readonly text: string;
}

/** What a command prints in one line: strings and painted strings, whoever wrote them. */
export type Text = string | Painted | readonly Text[];

export function painted(style: Style, text: string): Painted {
  return { style, text };
}

/**
 * The characters to write for a text: styled where the stream is a terminal that wants colours (NO_COLOR), with nothing
 * else in it that a terminal obeys. A line break within it goes on indented, so that no text can pass for a line of ours.
 */
export function rendered(text: Text, stream: NodeJS.WriteStream): string {
  if (typeof text === "string") return inOneLine(text);
  if ("style" in text) return styleText(text.style, inOneLine(text.text), { stream });
  return text.map((part) => rendered(part, stream)).join("");
}

function inOneLine(text: string): string {
  return printable(text).replaceAll("\n", "\n  ");
}

/**
 * Somebody else's text, safe on a terminal: control characters (escape sequences, carriage returns), those that reorder
 * what is shown and those that show nothing (an emoji's joiners too) are written as \u escapes, one for each UTF-16 unit,
 * which in JSON mean the same. Tab and newline stay.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\p{Cf}\p{Default_Ignorable_Code_Point}]/gu,
    (character) =>
      character
        .split("")
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join(""),
  );
}
