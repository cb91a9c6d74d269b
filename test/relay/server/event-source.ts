/** One server-sent event: its id, and its data lines joined. */
export interface ServerEvent {
  readonly id: string;
  readonly data: string;
}

/** The events of a response, as an EventSource would see them; ends with the response. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const [id] = fieldOf(block, "id");
      if (id !== undefined) yield { id, data: fieldOf(block, "data").join("\n") };
    }
  }
}

function fieldOf(block: readonly string[], name: string): string[] {
  return block.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
}
