import type { CaptureNotes, TraceEvent } from '../events/index.ts';
import type { Block } from '../sources/index.ts';
import type { EventStream } from './form.ts';
import { TextLines } from './text-lines.ts';

/** What makes events of the lines of a text. */
export interface LineParser {
  /** Reads the line at the cursor of `lines` into `event`; whether it is an event. The cursor may end anywhere in the line. */
  parse(event: TraceEvent): boolean;
}

/**
 * The events of a text, whatever its lines mean: fed with blocks by hand, or by {@link fill}.
 *
 *     text.feed(chunk);
 *     while (text.next()) use(text.event);
 *     ...
 *     text.end();
 *     while (text.next()) use(text.event);
 */
export class TextStream implements EventStream {
  event: TraceEvent;
  readonly #notes: CaptureNotes;
  readonly #lines: TextLines;
  readonly #parser: LineParser;
  readonly #blocks: AsyncGenerator<Block> | null;
  #ended = false;

  /** @param blocks null for a text that is fed by hand */
  constructor(
    notes: CaptureNotes,
    event: TraceEvent,
    blocks: AsyncGenerator<Block> | null,
    parser: (lines: TextLines, notes: CaptureNotes) => LineParser,
  ) {
    this.#notes = notes;
    this.event = event;
    this.#blocks = blocks;
    this.#lines = new TextLines(notes);
    this.#parser = parser(this.#lines, notes);
  }

  get namedDomains(): number {
    return this.#notes.domains.size;
  }

  async fill(): Promise<boolean> {
    if (this.#ended || this.#blocks === null) return false;
    const { value, done } = await this.#blocks.next();
    if (done === true) {
      this.end();
      return true;
    }
    this.feed(value.bytes);
    if (value.damage !== '') this.#lines.damagedHere(value.damage);
    return true;
  }

  /** Gives the next bytes of the text, which must not change until {@link next} has returned false. */
  feed(bytes: Uint8Array): void {
    this.#lines.feed(bytes);
  }

  /** Says that the text ends here. A last line without a line feed is read if it proves to be whole. */
  end(): void {
    this.#ended = true;
    this.#lines.end();
  }

  next(): boolean {
    const lines = this.#lines;
    const parser = this.#parser;
    const { event } = this;
    while (lines.begin()) {
      const found = parser.parse(event);
      lines.leave();
      if (found) return true;
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#blocks?.return(undefined);
  }
}
