import type { CaptureNotes } from '../../events/index.ts';
import { clearCall, EventKind, MAP_MEANING, type TraceEvent, UNMAP_MEANING } from '../../events/index.ts';
import { KernelLine, KernelLines } from '../kernel-log/index.ts';
import { ascii, Char, indexInLine, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';
import type { TextLines } from '../text-lines.ts';
import type { LineParser } from '../text-stream.ts';
import { overwrittenBefore, takeNote } from './comments.ts';
import { FtraceFields } from './fields.ts';
import { graphFront } from './graph-front.ts';
import { FtraceHeader } from './header.ts';
import { AS_FIELD, endsInColon, isBinary, isGpuCall, isTypeOnly, skipPeriod, wordAt } from './line-shapes.ts';
import { perfScriptFront, perfTraceFront } from './perf-fronts.ts';

/** Lines at the top of a capture in which its recorder's notes are looked for. */
const MOST_NOTES = 10_000;

/**
 * Reads trace text, line by line, without making strings or objects. Takes every form that {@link FtraceHeader} knows, lines without any context,
 * `perf trace`, and events among the functions of a function graph. Lines of stacks, headers and markers are passed over.
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
      if (this.#lines.cut && !endsInColon(bytes, nameAt)) return this.#maybeCut();
      if (isGpuCall(cursor, nameAt)) return this.#gpuCall(cursor, nameAt, event, header);
      if (this.#notes.stats.otherName === '') this.#notes.stats.otherName = wordAt(bytes, nameAt);
      clearCall(event);
      event.kind = EventKind.OTHER;
      this.#stamp(event, header);
      event.line = this.#lines.number;
      return true;
    }
    if (name <= UNMAP_MEANING && cursor.isWord(cursor.at, AS_FIELD))
      return this.#gpuCall(cursor, nameAt, event, header);
    if (!this.#ofOurInstance(bytes)) {
      this.#notes.stats.otherInstances++;
      return false;
    }
    return this.#event(name, cursor, event, header);
  }

  #event(name: number, cursor: TextCursor, event: TraceEvent, header: FtraceHeader | null): boolean {
    const whole = this.#fields.read(name, cursor, event);
    if (this.#lines.cut && !(whole && this.#provesWhole(name, cursor, event))) return this.#maybeCut();
    if (!whole) return this.#damaged(this.#fields.reason);
    if (header !== null) this.#stamp(event, header);
    event.line = this.#lines.number;
    return true;
  }

  /** `panfrost_mmu_map: map: as=1, iova=2400000, ...`, as trace_printk has it. */
  #gpuCall(cursor: TextCursor, start: number, event: TraceEvent, header: FtraceHeader): boolean {
    const line = this.#decoder.decode(cursor.bytes.subarray(start, this.#lines.endOfLine()));
    const found = this.#kernel.read(line, event);
    if (this.#lines.cut) return this.#maybeCut();
    if (found !== KernelLine.EVENT) {
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
    if (name >= 0 && name <= UNMAP_MEANING && cursor.isWord(cursor.at, AS_FIELD))
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
      const { stats } = this.#notes;
      const known = perfTraceFront(cursor, start, at, event, stats) || perfScriptFront(cursor, start, at, event, stats);
      if (!known) return this.#damaged(NO_FRONT);
      cursor.at = fields;
      return this.#event(traced, cursor, event, null);
    }
    const comment = indexInLine(bytes, start, COMMENT);
    if (comment >= 0) {
      cursor.at = comment + COMMENT.length;
      const commented = this.#fields.name(cursor);
      if (commented >= 0) {
        const fields = cursor.at;
        graphFront(cursor, start, comment, event, this.#notes.stats);
        cursor.at = fields;
        return this.#event(commented, cursor, event, null);
      }
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
      if (this.#lines.cut) return this.#maybeCut();
      event.line = this.#lines.number;
      return true;
    }
    if (found === KernelLine.TOLD) return this.#notEvent();
    if (isBinary(bytes, start)) {
      this.#notes.stats.foreignLines++;
      return this.#notEvent();
    }
    for (const mark of MARKS) {
      if (indexInLine(bytes, start, mark) >= 0) return this.#damaged(NO_FRONT);
    }
    return this.#notEvent();
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

  /** A header line, or an empty one. The one with the entry counts tells how many events the ring buffer overwrote before the first. */
  #comment(cursor: TextCursor, start: number, event: TraceEvent): boolean {
    cursor.at = start;
    // A number that the end of the text cuts is another number.
    if (cursor.bytes[start] !== Char.HASH || this.#lines.cut) return this.#notEvent();
    const overwritten = overwrittenBefore(cursor);
    if (overwritten > 0) return this.#emitLost(event, -1, overwritten);
    if (this.#lines.number <= MOST_NOTES) {
      takeNote(this.#decoder.decode(cursor.bytes.subarray(start, this.#lines.endOfLine())), this.#notes.stats);
    }
    return this.#notEvent();
  }

  #notEvent(): boolean {
    this.#notes.stats.notEvents++;
    return false;
  }

  /**
   * Whether a line that the end of the text may have cut could not have been longer: a value that stands in it twice proves that, or the
   * parenthesis of `perf trace`.
   */
  #provesWhole(place: number, cursor: TextCursor, event: TraceEvent): boolean {
    if (cursor.bytes[cursor.at] === Char.CLOSE) return true;
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

  #maybeCut(): boolean {
    this.#lines.damagedByCut();
    return false;
  }
}

const CPU = ascii('CPU:');
const LOST = ascii('LOST');
const EVENTS = ascii('EVENTS');
const PERF_TRACE_PREFIXES = [ascii('iommu:'), ascii('iommudom:'), ascii('dma:')];
/** In the graph of functions, events are comments. */
const COMMENT = ascii('/* ');
/** Text that only events of interest contain. */
const MARKS = [ascii('IOMMU: '), ascii(' iova='), ascii(' dma_addr=')];
const NO_FRONT = 'no event name and time in front';
const NO_FIELDS = 'no fields (trace option raw, hex or bin), record it without that option';
