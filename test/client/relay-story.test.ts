import { expect, it } from "vitest";
import { RelayStory } from "../../src/client/relay-story.js";
import type { Event } from "../../src/protocol/event.js";

const event = (author: number, seq: number): Event =>
  ({
    did: `did:ants:${author}`,
    epoch: 1,
    seq,
    id: `${author}.${seq}`,
    ...(seq === 0 ? {} : { prev: `${author}.${seq - 1}` }),
  }) as unknown as Event;

it("tells what a relay passed over: in a chain, and at its beginning", () => {
  const story = new RelayStory(true);
  expect(story.show(event(1, 0))).toBeUndefined();
  expect(story.show(event(1, 3))).toEqual({ fromSeq: 1, toSeq: 2 });
  expect(story.show(event(2, 2))).toEqual({ fromSeq: 0, toSeq: 1 });
});

it("accuses nobody of what it forgot itself", () => {
  const story = new RelayStory(true);
  const authors = 5_000;
  for (let author = 0; author < authors; author++) story.show(event(author, 0));
  expect(story.show(event(0, 1))).toBeUndefined();
  // Those that it remembers are held to their chains all the same.
  expect(story.show(event(authors - 1, 2))).toEqual({ fromSeq: 1, toSeq: 1 });
});
