import { InputError } from '../../../input-error.ts';
import { EventKind, type TraceEvent } from '../../event.ts';
import type { NameTable } from '../../names.ts';
import { type CaptureStats, DAMAGE_KEPT } from '../../stats.ts';
import { FtraceFields, LineShape } from './fields.ts';
import { FtraceHeader, joinDecimal } from './header.ts';
import { ascii, Char, NOT_A_NUMBER, TextCursor } from './text-cursor.ts';

/** A line longer than this is damage: tracers print at most 8 KiB. */
export const MAX_LINE = 65_536;

/** What a line turned out to be. */
const Line = { NOTHING: 0, EVENT: 1 } as const;

/**
 * Reads trace text, chunk by chunk, without making strings or objects:
 *
 *     text.feed(chunk);
 *     while (text.next()) use(text.event);
 *     ...
 *     text.end();
 *     while (text.next()) use(text.event);
 *
 * Takes every form that {@link FtraceHeader} knows, lines without any context, and `perf trace`. Lines of stacks, headers and markers
 * are passed over. A chunk must not change until `next` has returned false.
 */
export class FtraceText {
  /** Filled by {@link next}; may be replaced between calls, to read the next event into another object. */
  event: TraceEvent;
  readonly stats: CaptureStats;
  readonly #file: string;
  readonly #strict: boolean;
  readonly #cursor = new TextCursor();
  readonly #header = new FtraceHeader();
  readonly #fields: FtraceFields;

  /** The array being read, as a Buffer because its search for a byte is the fast one. */
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #limit = 0;
  /** Number of the line being read, from 1. */
  #lineNumber = 0;
  /** Lines already in the statistics. */
  #linesCounted = 0;
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
  /** Offset in the text behind everything fed so far. */
  #fed = 0;
  /** The line being read has no line feed: the text was cut in it. */
  #cut = false;
  /** Trace instance whose events count: 0 not known yet, -1 the one without name, else the hash of the name. */
  #instance = 0;
  #ended = false;

  constructor(file: string, event: TraceEvent, stats: CaptureStats, devices: NameTable, strict: boolean) {
    this.#file = file;
    this.event = event;
    this.stats = stats;
    this.#strict = strict;
    this.#fields = new FtraceFields(devices);
  }

  /** How many domains the text has named so far. */
  get namedDomains(): number {
    return this.#fields.domains.size;
  }

  /** The pointer of a domain that the text named. */
  domainPointer(id: number): string {
    return this.#fields.domains.pointer(id);
  }

  /** Gives the next bytes of the text. Call {@link next} until it returns false before giving more. */
  feed(chunk: Uint8Array): void {
    const base = this.#fed;
    this.#fed += chunk.length;
    this.stats.bytes += chunk.length;
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

  /** Says that the text ends here. A last line without a line feed is read if it proves to be whole. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#carried === 0) return;
    this.#cut = true;
    const length = this.#carried;
    this.#carry[length] = Char.LF;
    this.#carried = 0;
    this.#take(this.#carry, 0, length + 1, this.#carryBase);
  }

  /** Moves to the next event; false when more bytes are needed. @throws InputError in strict mode, at the first damaged line. */
  next(): boolean {
    for (;;) {
      const chunk = this.#chunk;
      while (this.#at < this.#limit) {
        const start = this.#at;
        const cursor = this.#cursor;
        cursor.at = start;
        this.#lineNumber++;
        const found = this.#line(cursor, start);
        let at = cursor.at;
        // An event's reader stops at its line feed or just before it; everything else is far from it.
        if (chunk[at] !== Char.LF) at = chunk.indexOf(Char.LF, at);
        this.#at = at + 1;
        if (found === Line.EVENT) return true;
      }
      const rest = this.#rest;
      if (rest === null) {
        this.stats.lines += this.#lineNumber - this.#linesCounted;
        this.#linesCounted = this.#lineNumber;
        return false;
      }
      this.#rest = null;
      this.#enter(rest, 0, this.#restBase);
    }
  }

  /** Counts damage that is not in a line, such as a compressed file that ends early; its reason is kept in any case. */
  damage(reason: string): void {
    this.#damaged(this.#fed, reason, true);
  }

  /** Makes the whole lines of `chunk` from `start` on current and carries the begun one. */
  #enter(chunk: Uint8Array, start: number, base: number): void {
    const last = chunk.lastIndexOf(Char.LF);
    const end = last < start ? start : last + 1;
    this.#take(chunk, start, end, base);
    if (end < chunk.length) this.#extendCarry(chunk.subarray(end), base + end, true);
  }

  #take(bytes: Uint8Array, start: number, limit: number, base: number): void {
    this.#chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#cursor.open(bytes);
    this.#at = start;
    this.#limit = limit;
    this.#base = base;
  }

  /** Adds to the carried line; `open` when its line feed is still missing. */
  #extendCarry(part: Uint8Array, base: number, open: boolean): void {
    if (this.#carried === 0) this.#carryBase = base;
    if (this.#carried + part.length > MAX_LINE) {
      this.#lineNumber++;
      this.#carried = 0;
      this.#skipping = open;
      this.#damaged(this.#carryBase, `a line longer than ${MAX_LINE} bytes`);
      return;
    }
    this.#carry.set(part, this.#carried);
    this.#carried += part.length;
  }

  /** Reads one line; the cursor ends somewhere in it. */
  #line(cursor: TextCursor, start: number): number {
    const bytes = cursor.bytes;
    const first = bytes[start];
    if (first === Char.HASH || first === Char.LF || first === Char.CR) return this.#comment(cursor, start);
    // " => function" of a stack trace
    if (first === Char.SPACE && bytes[start + 1] === Char.EQUALS) return this.#notEvent();
    const header = this.#header;
    const event = this.event;
    if (!header.read(cursor)) return this.#headless(cursor, start);
    if (bytes[cursor.at] === Char.LESS) return this.#notEvent(); // <stack trace>
    const name = this.#fields.name(cursor);
    if (name < 0) {
      clearFields(event);
      event.kind = EventKind.OTHER;
      this.#stamp(event, header);
      event.line = this.#lineNumber;
      return Line.EVENT;
    }
    if (!this.#ofOurInstance(bytes)) {
      this.stats.otherInstances++;
      return Line.NOTHING;
    }
    return this.#event(name, cursor, start, header);
  }

  #event(name: number, cursor: TextCursor, start: number, header: FtraceHeader | null): number {
    const event = this.event;
    const whole = this.#fields.read(name, cursor, event);
    if (this.#cut && !(whole && this.#provesWhole(name, event))) {
      return this.#damaged(this.#base + start, 'the text ends in the middle of this line');
    }
    if (!whole) return this.#damaged(this.#base + start, this.#fields.reason);
    if (header !== null) this.#stamp(event, header);
    event.line = this.#lineNumber;
    return Line.EVENT;
  }

  #stamp(event: TraceEvent, header: FtraceHeader): void {
    event.time = header.time;
    event.cpu = header.cpu;
    event.pid = header.pid;
    event.context = header.context;
    this.stats.clock = header.seconds ? 'seconds' : 'ticks';
  }

  /** A line without header: lost events, an event without context, `perf trace`, or text of no interest. */
  #headless(cursor: TextCursor, start: number): number {
    const bytes = cursor.bytes;
    cursor.at = start;
    if (bytes[start] === Char.C && cursor.take(CPU)) return this.#lost(cursor);
    const event = this.event;
    const name = this.#fields.name(cursor);
    if (name >= 0) {
      // The trace option "no context-info" drops the whole front of the line, time included.
      event.cpu = -1;
      event.pid = -1;
      event.context = -1;
      return this.#event(name, cursor, start, null);
    }
    for (const prefix of PERF_TRACE_PREFIXES) {
      const at = indexOf(bytes, start, prefix);
      if (at < 0) continue;
      cursor.at = at;
      const traced = this.#fields.name(cursor);
      if (traced < 0) continue;
      const fields = cursor.at;
      if (!this.#perfTraceFront(cursor, start, at)) return this.#damaged(this.#base + start, NO_FRONT);
      cursor.at = fields;
      return this.#event(traced, cursor, start, null);
    }
    cursor.at = start;
    if (isTypeOnly(bytes, start)) return this.#damaged(this.#base + start, NO_FIELDS);
    for (const mark of MARKS) {
      if (indexOf(bytes, start, mark) >= 0) return this.#damaged(this.#base + start, NO_FRONT);
    }
    return this.#notEvent();
  }

  /**
   * `     9.096 dd/474 ` before `end`: milliseconds since the start, comm, thread. Read backwards, since the traced program's own output
   * often stands in front, in the same line.
   */
  #perfTraceFront(cursor: TextCursor, start: number, end: number): boolean {
    const bytes = cursor.bytes;
    const event = this.event;
    event.cpu = -1;
    event.context = -1;
    event.pid = -1;
    let wordEnd = end;
    while (wordEnd > start) {
      while (wordEnd > start && (bytes[wordEnd - 1] as number) <= Char.SPACE) wordEnd--;
      let at = wordEnd;
      while (at > start && (bytes[at - 1] as number) > Char.SPACE) at--;
      if (event.pid < 0) {
        cursor.at = at;
        while (cursor.at < wordEnd && bytes[cursor.at] !== Char.SLASH) cursor.at++;
        cursor.at++;
        event.pid = cursor.decimal();
      } else {
        cursor.at = at;
        const whole = cursor.decimal();
        const digits = ++cursor.at;
        if (whole !== NOT_A_NUMBER && bytes[digits - 1] === Char.DOT) {
          const fraction = cursor.decimal();
          if (fraction !== NOT_A_NUMBER && cursor.at === wordEnd) {
            event.time = joinDecimal(whole, fraction, cursor.at - digits, 1000);
            this.stats.clock = 'seconds';
            return true;
          }
        }
      }
      wordEnd = at;
    }
    return false;
  }

  /** `CPU:0 [LOST 2712 EVENTS]`, or `[2712 EVENTS DROPPED]` of trace-cmd, with the cursor behind `CPU:`. */
  #lost(cursor: TextCursor): number {
    const event = this.event;
    const cpu = cursor.decimal();
    cursor.skipSpaces();
    if (cpu === NOT_A_NUMBER || cursor.bytes[cursor.at] !== Char.OPEN_BRACKET) return this.#notEvent();
    cursor.at++;
    cursor.take(LOST);
    cursor.skipSpaces();
    const count = cursor.decimal();
    cursor.skipSpaces();
    if (!cursor.take(EVENTS)) return this.#notEvent();
    return this.#emitLost(event, cpu, count);
  }

  #emitLost(event: TraceEvent, cpu: number, count: number): number {
    clearFields(event);
    event.kind = EventKind.LOST;
    event.cpu = cpu;
    event.count = count;
    event.line = this.#lineNumber;
    return Line.EVENT;
  }

  /** A header line. The one with the entry counts tells how many events the ring buffer overwrote before the first. */
  #comment(cursor: TextCursor, start: number): number {
    cursor.at = start;
    if (cursor.bytes[start] === Char.HASH && cursor.take(ENTRIES)) {
      cursor.skipSpaces();
      const kept = cursor.decimal();
      if (kept !== NOT_A_NUMBER && cursor.bytes[cursor.at] === Char.SLASH) {
        cursor.at++;
        const written = cursor.decimal();
        if (written > kept) {
          this.stats.notEvents++;
          return this.#emitLost(this.event, -1, written - kept);
        }
      }
    }
    return this.#notEvent();
  }

  #notEvent(): number {
    this.stats.notEvents++;
    return Line.NOTHING;
  }

  /** Whether a line that the end of the text cut could not have been longer: only a value that stands in it twice proves that. */
  #provesWhole(name: number, event: TraceEvent): boolean {
    const shape = this.#fields.shape(name);
    if (shape === LineShape.MAP) return this.#fields.end !== -1;
    return shape === LineShape.UNMAP && event.unmappedSize === event.size;
  }

  /**
   * `trace-cmd report` of several instances prints each buffer's own record of the same call. The instance of the first event of interest
   * counts, the others are passed over.
   */
  #ofOurInstance(bytes: Uint8Array): boolean {
    const { instanceStart, instanceEnd } = this.#header;
    let instance = -1;
    for (let at = instanceStart; at < instanceEnd; at++) {
      instance = (Math.imul(instance, 31) + (bytes[at] as number)) | 1;
    }
    if (this.#instance === 0) this.#instance = instance;
    return instance === this.#instance;
  }

  #damaged(offset: number, reason: string, always = false): number {
    const line = this.#lineNumber;
    if (this.#strict) {
      throw new InputError(
        this.#file,
        `line ${line}, byte ${offset}`,
        reason,
        'whole trace lines (without --strict they are counted)',
      );
    }
    this.stats.damaged++;
    if (always || this.stats.damage.length < DAMAGE_KEPT)
      this.stats.damage.push({ file: this.#file, line, offset, reason });
    return Line.NOTHING;
  }
}

const CPU = ascii('CPU:');
const LOST = ascii('LOST');
const EVENTS = ascii('EVENTS');
const ENTRIES = ascii('# entries-in-buffer/entries-written:');
const PERF_TRACE_PREFIXES = [ascii('iommu:'), ascii('iommudom:'), ascii('dma:')];
/** Text that only events of interest contain. */
const MARKS = [ascii('IOMMU: '), ascii(' iova='), ascii(' dma_addr=')];
const NO_FRONT = 'no event name and time in front';
const TYPE = ascii('type: ');
const NO_FIELDS = 'no fields (trace option raw, hex or bin), record it without that option';

/** `334 0 50127635056 type: 1124` */
function isTypeOnly(bytes: Uint8Array, start: number): boolean {
  let at = indexOf(bytes, start, TYPE);
  if (at < 0) return false;
  at += TYPE.length;
  const digits = at;
  while ((bytes[at] as number) >= Char.ZERO && (bytes[at] as number) <= Char.NINE) at++;
  return at > digits && (bytes[at] === Char.LF || bytes[at] === Char.CR);
}

/** Place of `text` in the line that begins at `start`, or -1. */
function indexOf(bytes: Uint8Array, start: number, text: Uint8Array): number {
  const first = text[0];
  for (let at = start; bytes[at] !== Char.LF; at++) {
    if (bytes[at] !== first) continue;
    let length = 1;
    while (length < text.length && bytes[at + length] === text[length]) length++;
    if (length === text.length) return at;
  }
  return -1;
}

function clearFields(event: TraceEvent): void {
  event.iova = -1;
  event.pa = -1;
  event.size = -1;
  event.runEnd = -1;
  event.unmappedSize = -1;
  event.prot = -1;
  event.domain = -1;
  event.device = -1;
  event.group = -1;
  event.count = -1;
}
