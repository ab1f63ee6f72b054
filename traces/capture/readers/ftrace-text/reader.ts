import type { CaptureNotes } from '../../events/index.ts';
import { clearCall, EventKind, MAP_MEANING, type TraceEvent, UNMAP_MEANING } from '../../events/index.ts';
import { KernelLine, KernelLines } from '../kernel-log/index.ts';
import { ascii, Char, fourBytes, indexInLine, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';
import type { TextLines } from '../text-lines.ts';
import type { LineParser } from '../text-stream.ts';
import { FtraceFields } from './fields.ts';
import { FtraceHeader, joinDecimal, MAX_FRACTION, MAX_TIME } from './header.ts';

/** Lines at the top of a capture in which its recorder's notes are looked for. */
const MOST_NOTES = 10_000;

/**
 * Reads trace text, line by line, without making strings or objects. Takes every form that {@link FtraceHeader} knows, lines without any context,
 * and `perf trace`. Lines of stacks, headers and markers are passed over.
 */
export class FtraceParser implements LineParser {
  readonly #lines: TextLines;
  readonly #notes: CaptureNotes;
  readonly #header = new FtraceHeader();
  readonly #fields: FtraceFields;
  readonly #kernel: KernelLines;
  readonly #decoder = new TextDecoder('latin1');
  /** Trace instance whose events count: 0 not known yet, -1 the one without name, else the hash of the name. */
  #instance = 0;
  /** Of the last line with a time: what is lost was lost about then. */
  #time = 0;

  constructor(lines: TextLines, notes: CaptureNotes) {
    this.#lines = lines;
    this.#notes = notes;
    this.#fields = new FtraceFields(notes);
    this.#kernel = new KernelLines(notes);
  }

  parse(event: TraceEvent): boolean {
    const { cursor } = this.#lines;
    const start = cursor.at;
    const bytes = cursor.bytes;
    const first = bytes[start];
    if (first === Char.HASH || first === Char.LF || first === Char.CR) return this.#comment(cursor, start, event);
    // " => function" of a stack trace
    if (first === Char.SPACE && bytes[start + 1] === Char.EQUALS) return this.#notEvent();
    const header = this.#header;
    if (!header.read(cursor)) return this.#headless(cursor, start, event);
    if (bytes[cursor.at] === Char.LESS) return this.#notEvent(); // <stack trace>
    let nameAt = cursor.at;
    let name = this.#fields.name(cursor);
    if (name < 0 && skipPeriod(cursor, nameAt)) {
      nameAt = cursor.at;
      name = this.#fields.name(cursor);
    }
    if (name < 0) {
      // A name that is cut may have been any.
      if (this.#lines.cut && !endsInColon(bytes, nameAt))
        return this.#damaged('the text ends in the middle of this line');
      if (isGpuCall(cursor, nameAt)) return this.#gpuCall(cursor, nameAt, event, header);
      if (this.#notes.stats.otherName === '') this.#notes.stats.otherName = wordAt(bytes, nameAt);
      clearCall(event);
      event.kind = EventKind.OTHER;
      this.#stamp(event, header);
      event.line = this.#lines.number;
      return true;
    }
    if (name <= UNMAP_MEANING && cursor.isWord(cursor.at, _AS)) return this.#gpuCall(cursor, nameAt, event, header);
    if (!this.#ofOurInstance(bytes)) {
      this.#notes.stats.otherInstances++;
      return false;
    }
    return this.#event(name, cursor, event, header);
  }

  #event(name: number, cursor: TextCursor, event: TraceEvent, header: FtraceHeader | null): boolean {
    const whole = this.#fields.read(name, cursor, event);
    if (this.#lines.cut && !(whole && this.#provesWhole(name, event))) {
      return this.#damaged('the text ends in the middle of this line');
    }
    if (!whole) return this.#damaged(this.#fields.reason);
    if (header !== null) this.#stamp(event, header);
    event.line = this.#lines.number;
    return true;
  }

  /** `panfrost_mmu_map: map: as=1, iova=2400000, ...`, as trace_printk has it. */
  #gpuCall(cursor: TextCursor, start: number, event: TraceEvent, header: FtraceHeader): boolean {
    const line = this.#decoder.decode(cursor.bytes.subarray(start, this.#lines.endOfLine()));
    const found = this.#kernel.read(line, event);
    if (found !== KernelLine.EVENT || this.#lines.cut) {
      return this.#damaged(found === KernelLine.DAMAGED ? this.#kernel.reason : 'no whole map line of a GPU driver');
    }
    this.#stamp(event, header);
    event.line = this.#lines.number;
    return true;
  }

  #stamp(event: TraceEvent, header: FtraceHeader): void {
    this.#time = header.time;
    event.time = header.time;
    event.cpu = header.cpu;
    event.pid = header.pid;
    event.context = header.context;
    this.#notes.stats.clock = header.seconds ? 'seconds' : 'ticks';
  }

  /** A line without header: lost events, an event without context, `perf trace`, or text of no interest. */
  #headless(cursor: TextCursor, start: number, event: TraceEvent): boolean {
    const bytes = cursor.bytes;
    cursor.at = start;
    if (bytes[start] === Char.C && cursor.take(CPU)) return this.#lost(cursor, event);
    const name = this.#fields.name(cursor);
    if (name >= 0 && name <= UNMAP_MEANING && cursor.isWord(cursor.at, _AS))
      return this.#kernelLine(bytes, start, event);
    if (name >= 0) {
      // The trace option "no context-info" drops the whole front of the line, time included.
      event.time = 0;
      event.cpu = -1;
      event.pid = -1;
      event.context = -1;
      return this.#event(name, cursor, event, null);
    }
    for (const prefix of PERF_TRACE_PREFIXES) {
      const at = indexInLine(bytes, start, prefix);
      if (at < 0) continue;
      cursor.at = at;
      const traced = this.#fields.name(cursor);
      if (traced < 0) continue;
      const fields = cursor.at;
      const known = this.#perfTraceFront(cursor, start, at, event) || this.#perfScriptFront(cursor, start, at, event);
      if (!known) return this.#damaged(NO_FRONT);
      cursor.at = fields;
      return this.#event(traced, cursor, event, null);
    }
    cursor.at = start;
    if (isTypeOnly(bytes, start)) return this.#damaged(NO_FIELDS);
    return this.#kernelLine(bytes, start, event);
  }

  /** A line that no tracer printed may be the kernel's: of a fault, or of a GPU driver's map. */
  #kernelLine(bytes: Uint8Array, start: number, event: TraceEvent): boolean {
    const found = this.#kernel.read(this.#decoder.decode(bytes.subarray(start, this.#lines.endOfLine())), event);
    if (found === KernelLine.DAMAGED) return this.#damaged(this.#kernel.reason);
    if (found === KernelLine.EVENT) {
      if (this.#lines.cut) return this.#damaged('the text ends in the middle of this line');
      event.line = this.#lines.number;
      return true;
    }
    if (isBinary(bytes, start)) {
      this.#notes.stats.foreignLines++;
      return this.#notEvent();
    }
    for (const mark of MARKS) {
      if (indexInLine(bytes, start, mark) >= 0) return this.#damaged(NO_FRONT);
    }
    return this.#notEvent();
  }

  /**
   * `     9.096 dd/474 ` before `end`: milliseconds since the start, comm, thread. Read backwards, since the traced program's own output
   * often stands in front, in the same line.
   */
  #perfTraceFront(cursor: TextCursor, start: number, end: number, event: TraceEvent): boolean {
    const bytes = cursor.bytes;
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
        const digits = cursor.at + 1;
        if (whole !== NOT_A_NUMBER && whole <= MAX_TIME && bytes[digits - 1] === Char.DOT) {
          cursor.at = digits;
          const fraction = cursor.decimal();
          if (fraction !== NOT_A_NUMBER && cursor.at === wordEnd && wordEnd - digits <= MAX_FRACTION) {
            event.time = joinDecimal(whole, fraction, cursor.at - digits, 1000);
            this.#notes.stats.clock = 'seconds';
            return true;
          }
        }
      }
      wordEnd = at;
    }
    return false;
  }

  /**
   * What `perf script -F` leaves in front of `end`: of comm, pid (or pid/tid), `[cpu]`, flags, `time:` and period any, also none. Read backwards,
   * since a comm may hold anything; a front of which no part is understood is none.
   */
  #perfScriptFront(cursor: TextCursor, start: number, end: number, event: TraceEvent): boolean {
    const bytes = cursor.bytes;
    event.time = 0;
    event.cpu = -1;
    event.context = -1;
    event.pid = -1;
    let understood = 0;
    let words = 0;
    let wordEnd = end;
    for (;;) {
      while (wordEnd > start && (bytes[wordEnd - 1] as number) <= Char.SPACE) wordEnd--;
      if (wordEnd === start || words === MOST_FRONT_WORDS) break;
      words++;
      let at = wordEnd;
      while (at > start && (bytes[at - 1] as number) > Char.SPACE) at--;
      const bracketed = bytes[at] === Char.OPEN_BRACKET;
      cursor.at = bracketed ? at + 1 : at;
      const whole = cursor.decimal();
      if (whole !== NOT_A_NUMBER && bracketed && bytes[cursor.at] === Char.CLOSE_BRACKET) {
        event.cpu = whole;
        understood++;
      } else if (whole !== NOT_A_NUMBER && bytes[wordEnd - 1] === Char.COLON && bytes[cursor.at] === Char.DOT) {
        const digits = ++cursor.at;
        const fraction = cursor.decimal();
        if (fraction !== NOT_A_NUMBER && cursor.at === wordEnd - 1 && cursor.at - digits <= MAX_FRACTION) {
          event.time = joinDecimal(whole, fraction, cursor.at - digits, 1);
          this.#notes.stats.clock = 'seconds';
          understood++;
        }
      } else if (whole !== NOT_A_NUMBER && event.pid < 0) {
        if (bytes[cursor.at] === Char.SLASH) {
          cursor.at++;
          const thread = cursor.decimal();
          if (thread !== NOT_A_NUMBER && cursor.at === wordEnd) event.pid = thread;
        } else if (cursor.at === wordEnd) event.pid = whole;
        if (event.pid >= 0) understood++;
      }
      wordEnd = at;
    }
    return understood > 0 || words === 0;
  }

  /** `CPU:0 [LOST 2712 EVENTS]`, or `[2712 EVENTS DROPPED]` of trace-cmd, with the cursor behind `CPU:`. */
  #lost(cursor: TextCursor, event: TraceEvent): boolean {
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

  #emitLost(event: TraceEvent, cpu: number, count: number): boolean {
    clearCall(event);
    event.kind = EventKind.LOST;
    event.time = this.#time;
    event.pid = -1;
    event.context = -1;
    event.cpu = cpu;
    event.count = count;
    event.line = this.#lines.number;
    return true;
  }

  /** A header line. The one with the entry counts tells how many events the ring buffer overwrote before the first. */
  #comment(cursor: TextCursor, start: number, event: TraceEvent): boolean {
    cursor.at = start;
    if (cursor.bytes[start] === Char.HASH && cursor.take(ENTRIES)) {
      cursor.skipSpaces();
      const kept = cursor.decimal();
      if (kept !== NOT_A_NUMBER && cursor.bytes[cursor.at] === Char.SLASH) {
        cursor.at++;
        const written = cursor.decimal();
        if (written > kept) {
          return this.#emitLost(event, -1, written - kept);
        }
      }
    } else if (cursor.bytes[start] === Char.HASH) this.#recorderNote(start);
    return this.#notEvent();
  }

  /** What a script of `tablewalk record-script` notes of its machine at the top: `# HZ: 250`, `# IOMMU group 3: DMA-FQ 0000:01:00.0`. */
  #recorderNote(start: number): void {
    if (this.#lines.number > MOST_NOTES) return;
    const { stats } = this.#notes;
    const line = this.#decoder.decode(this.#lines.cursor.bytes.subarray(start, this.#lines.endOfLine()));
    const [, hz, type] = /^# (?:HZ: (\d+)|IOMMU group \d+: (DMA|DMA-FQ)\b(?!-))/.exec(line) ?? [];
    if (hz !== undefined) stats.hz = Number(hz);
    else if (type === 'DMA') stats.groups.strict++;
    else if (type === 'DMA-FQ') stats.groups.lazy++;
  }

  #notEvent(): boolean {
    this.#notes.stats.notEvents++;
    return false;
  }

  /** Whether a line that the end of the text cut could not have been longer: only a value that stands in it twice proves that. */
  #provesWhole(place: number, event: TraceEvent): boolean {
    if (place === MAP_MEANING) return this.#fields.end !== -1;
    return place === UNMAP_MEANING && event.unmappedSize === event.size;
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

  #damaged(reason: string): boolean {
    this.#lines.damaged(reason);
    return false;
  }
}

const CPU = ascii('CPU:');
const LOST = ascii('LOST');
const EVENTS = ascii('EVENTS');
const ENTRIES = ascii('# entries-in-buffer/entries-written:');
const PERF_TRACE_PREFIXES = [ascii('iommu:'), ascii('iommudom:'), ascii('dma:')];
/** Text that only events of interest contain. */
const MARKS = [ascii('IOMMU: '), ascii(' iova='), ascii(' dma_addr=')];
/** Words that may stand in front of an event's name: a comm of several, pid, CPU, flags, time, period. */
const MOST_FRONT_WORDS = 12;
const NO_FRONT = 'no event name and time in front';
const TYPE = ascii('type: ');
const NO_FIELDS = 'no fields (trace option raw, hex or bin), record it without that option';

/** `334 0 50127635056 type: 1124` */
function isTypeOnly(bytes: Uint8Array, start: number): boolean {
  let at = indexInLine(bytes, start, TYPE);
  if (at < 0) return false;
  at += TYPE.length;
  const digits = at;
  while ((bytes[at] as number) >= Char.ZERO && (bytes[at] as number) <= Char.NINE) at++;
  return at > digits && (bytes[at] === Char.LF || bytes[at] === Char.CR);
}

/** Whether `map: as=` or `unmap: as=` begins here, or behind one name and its colon. */
function isGpuCall(cursor: TextCursor, start: number): boolean {
  const { bytes } = cursor;
  let at = start;
  for (let word = 0; word < 2; word++) {
    const begin = bytes[at] === Char.U && bytes[at + 1] === 0x6e ? at + 2 : at;
    if (cursor.isWord(begin, MAP_) && cursor.isWord(begin + 4, _AS)) return true;
    while ((bytes[at] as number) > Char.SPACE) at++;
    if (bytes[at - 1] !== Char.COLON) return false;
    while (bytes[at] === Char.SPACE) at++;
  }
  return false;
}
const MAP_ = fourBytes('map:');
const _AS = fourBytes(' as=');

/** Passes the period, a number that `perf script` may print in front of an event's name; no name begins with a digit. */
function skipPeriod(cursor: TextCursor, start: number): boolean {
  cursor.at = start;
  if (cursor.decimal() === NOT_A_NUMBER || cursor.bytes[cursor.at] !== Char.SPACE) return false;
  cursor.skipSpaces();
  return true;
}

/** Whether the line begins with a byte that no text has; zeros alone are what a block of a file that was never written reads as. */
function isBinary(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < start + LONGEST_NAME && bytes[at] !== Char.LF; at++) {
    const byte = bytes[at] as number;
    if (byte > 0 && byte < FIRST_CONTROL_OF_TEXT) return true;
  }
  return false;
}
/** Bell and what follows it up to carriage return may stand in what a program prints. */
const FIRST_CONTROL_OF_TEXT = 0x07;

/** Whether the word that begins here has its colon. */
function endsInColon(bytes: Uint8Array, start: number): boolean {
  let at = start;
  while ((bytes[at] as number) > Char.SPACE && bytes[at] !== Char.COLON) at++;
  return bytes[at] === Char.COLON;
}

/** The name that begins here, for people. */
function wordAt(bytes: Uint8Array, start: number): string {
  let end = start;
  while (end < start + LONGEST_NAME && (bytes[end] as number) > Char.SPACE) end++;
  return String.fromCharCode(...bytes.subarray(start, end)).replace(/[:(].*$/, '');
}
const LONGEST_NAME = 64;
