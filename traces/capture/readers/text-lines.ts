import type { CaptureNotes } from '../events/index.ts';
import { Char, TextCursor } from './text-cursor.ts';

/** A line longer than this, its line feed not counted, is damage: tracers print at most 8 KiB. */
export const MAX_LINE = 65_536;

/** Why a last line without a line feed is damage: nothing in it proves that its last value had no more digits. */
const MAY_BE_CUT = 'the last line has no line feed and may be cut';

/** No line that is too long. */
const NOWHERE = Number.POSITIVE_INFINITY;

/**
 * Cuts text that comes in chunks into lines, without copying more than the lines that a chunk's end cuts:
 *
 *     lines.feed(chunk);
 *     while (lines.begin()) {
 *       read(lines.cursor); // the cursor stands on the first byte of the line, which ends with a line feed
 *       lines.leave();
 *     }
 *
 * A chunk must not change until `begin` has returned false. Where the cuts are makes no difference to the lines.
 */
export class TextLines {
  readonly cursor = new TextCursor();
  /** Number of the line, from 1. */
  number = 0;
  /** The line has no line feed of its own: the text ends in it, and only what the line itself proves to be whole counts as an event. */
  cut = false;

  readonly #notes: CaptureNotes;
  #start = 0;
  #limit = 0;
  /** Where in the array being read a line begins that is too long. */
  #longAt = NOWHERE;
  /** Lines already in the statistics. */
  #counted = 0;
  /** Offset in the text of the first byte of the array being read. */
  #base = 0;
  /** A line that began in earlier chunks; its line feed is not seen yet. */
  readonly #carry = new Uint8Array(MAX_LINE + 1);
  #carried = 0;
  /** Offset in the text of the carried line. */
  #carryBase = 0;
  /** What follows the carried line in the newest chunk. */
  #rest: Uint8Array | null = null;
  #restBase = 0;
  /** Dropping the rest of a line that was too long. */
  #skipping = false;
  /** Offset in the text of a line behind those being read that is too long already. */
  #longTail = NOWHERE;
  /** Offset in the text behind everything fed so far. */
  #fed = 0;
  #ended = false;

  constructor(notes: CaptureNotes) {
    this.#notes = notes;
  }

  /** Offset in the text of the line's first byte. */
  get offset(): number {
    return this.#base + this.#start;
  }

  /** Where the line begins in the cursor's bytes. */
  get start(): number {
    return this.#start;
  }

  /** Gives the next bytes of the text. */
  feed(chunk: Uint8Array): void {
    const base = this.#fed;
    this.#fed += chunk.length;
    this.#notes.stats.bytes += chunk.length;
    let start = 0;
    if (this.#skipping || this.#carried > 0) {
      const lineFeed = chunk.indexOf(Char.LF);
      const end = lineFeed < 0 ? chunk.length : lineFeed + 1;
      if (!this.#skipping) this.#extendCarry(chunk.subarray(0, end), base, lineFeed < 0);
      else if (lineFeed >= 0) this.#skipping = false;
      if (lineFeed < 0) return;
      start = end;
      if (this.#carried > 0) {
        // The completed line is read first, from its own array; then the rest of the chunk.
        this.#take(this.#carry, 0, this.#carried, this.#carryBase);
        this.#carried = 0;
        this.#rest = chunk.subarray(start);
        this.#restBase = base + start;
        return;
      }
    }
    this.#enter(chunk, start, base);
  }

  /** Says that the text ends here; a last line without a line feed is given out with {@link cut} set. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#carried === 0) return;
    this.cut = true;
    const length = this.#carried;
    this.#carry[length] = Char.LF;
    this.#carried = 0;
    this.#take(this.#carry, 0, length + 1, this.#carryBase);
  }

  /** Puts the cursor on the next line; false when more bytes are needed. */
  begin(): boolean {
    for (;;) {
      const start = this.#start;
      if (start < this.#limit) {
        this.number++;
        if (start === this.#longAt) {
          this.#tooLong(this.#base + start);
          this.#start = this.cursor.bytes.indexOf(Char.LF, start) + 1;
          this.#longAt = this.#nextLong(this.cursor.bytes, this.#start, this.#limit);
          continue;
        }
        this.cursor.at = start;
        return true;
      }
      if (this.#longTail !== NOWHERE) {
        this.number++;
        this.#tooLong(this.#longTail);
        this.#longTail = NOWHERE;
      }
      const rest = this.#rest;
      if (rest === null) {
        this.#notes.stats.lines += this.number - this.#counted;
        this.#counted = this.number;
        return false;
      }
      this.#rest = null;
      this.#enter(rest, 0, this.#restBase);
    }
  }

  /** Is done with the line, anywhere in which the cursor stands. */
  leave(): void {
    const { bytes, at } = this.cursor;
    this.#start = (bytes[at] === Char.LF ? at : lineFeedFrom(bytes, at)) + 1;
  }

  /** Where the line's line feed is, in the cursor's bytes. */
  endOfLine(): number {
    return lineFeedFrom(this.cursor.bytes, this.#start);
  }

  /** Counts damage of the line. */
  damaged(reason: string): void {
    this.#notes.damaged(this.number, this.offset, reason);
  }

  /** Counts the last line as damage, since {@link cut} may have taken the end of it. */
  damagedByCut(): void {
    this.damaged(MAY_BE_CUT);
  }

  /** Counts damage that is not in a line, such as a compressed file that ends early; its reason is kept in any case. */
  damagedHere(reason: string): void {
    this.#notes.damaged(this.number, this.#fed, reason, true);
  }

  /** Makes the whole lines of `chunk` from `start` on current and carries the begun one. */
  #enter(chunk: Uint8Array, start: number, base: number): void {
    const last = chunk.lastIndexOf(Char.LF);
    const end = last < start ? start : last + 1;
    this.#take(chunk, start, end, base);
    if (chunk.length - end > MAX_LINE) {
      // It is counted behind the lines that stand before it, which are not read yet.
      this.#longTail = base + end;
      this.#skipping = true;
    } else if (end < chunk.length) this.#extendCarry(chunk.subarray(end), base + end, true);
  }

  #take(bytes: Uint8Array, start: number, limit: number, base: number): void {
    this.cursor.open(bytes);
    this.#start = start;
    this.#limit = limit;
    this.#base = base;
    this.#longAt = this.#nextLong(bytes, start, limit);
  }

  /** Where the first line that is too long begins. Looks only at one line feed in every {@link MAX_LINE} bytes. */
  #nextLong(bytes: Uint8Array, start: number, limit: number): number {
    let at = start;
    while (limit - at > MAX_LINE + 1) {
      const lineFeed = bytes.lastIndexOf(Char.LF, at + MAX_LINE);
      if (lineFeed < at) return at;
      at = lineFeed + 1;
    }
    return NOWHERE;
  }

  /** Adds to the carried line; `open` when its line feed is still missing. */
  #extendCarry(part: Uint8Array, base: number, open: boolean): void {
    if (this.#carried === 0) this.#carryBase = base;
    if (this.#carried + part.length > MAX_LINE + (open ? 0 : 1)) {
      this.number++;
      this.#carried = 0;
      this.#skipping = open;
      this.#tooLong(this.#carryBase);
      return;
    }
    this.#carry.set(part, this.#carried);
    this.#carried += part.length;
  }

  #tooLong(offset: number): void {
    this.#notes.damaged(this.number, offset, `a line longer than ${MAX_LINE} bytes`);
  }
}

/** The search of the array costs a call; most line feeds are near. */
const NEAR = 32;

function lineFeedFrom(bytes: Uint8Array, from: number): number {
  for (let at = from; at < from + NEAR; at++) if (bytes[at] === Char.LF) return at;
  return bytes.indexOf(Char.LF, from + NEAR);
}
