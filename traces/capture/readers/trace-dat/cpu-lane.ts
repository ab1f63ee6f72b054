import type { CpuPages } from './cpu-pages.ts';

const TWO_TO_32 = 2 ** 32;
/** Bits of a time difference that stand in the record's own header (Linux `TS_SHIFT`). */
const DELTA = 2 ** 27;
/** An absolute time has 59 bits; the five above them are the page's (Linux `TS_MSB`). */
const ABSOLUTE = 2 ** 59;

/** Types of records that are no events (`include/linux/ring_buffer.h`, `enum ring_buffer_type`). */
const Type = { LARGE: 0, PADDING: 29, TIME_EXTEND: 30, TIME_STAMP: 31 } as const;

/** Parts of a page's commit counter: its low bits count bytes. */
const COMMIT_MASK = 2 ** 27 - 1;
const MISSED_EVENTS = 2 ** 31;
/** The number of missed events stands behind the data. */
const MISSED_STORED = 2 ** 30;

/** How the pages of a capture look. */
export interface PageShape {
  readonly pageSize: number;
  readonly littleEndian: boolean;
  readonly commitOffset: number;
  readonly commitSize: number;
  readonly dataOffset: number;
}

/** What {@link CpuLane.advance} came to. */
export const Step = {
  /** A record, at {@link CpuLane.at}. */
  RECORD: 0,
  /** {@link CpuLane.lost} events are missing before what comes next. */
  LOST: 1,
  /** {@link CpuLane.reason} says what is damaged; the next page may be whole. */
  DAMAGE: 2,
  /** More pages are needed. */
  EMPTY: 3,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

/**
 * The records of one CPU of one instance, in the order in which the ring buffer holds them: pages of records whose times are differences to the
 * record before, as `kernel/trace/ring_buffer.c` writes them.
 */
export class CpuLane {
  readonly cpu: number;
  /** Place of the instance among the buffers. */
  readonly instance: number;
  readonly pages: CpuPages;
  /** What {@link advance} came to last. */
  step: Step = Step.EMPTY;
  /** No pages will come any more. */
  ended = false;

  /** Of the record: time in units of the clock, place of its data in {@link view}. */
  time = 0;
  at = 0;
  end = 0;
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Events missing, or -1 when nobody counted them. */
  lost = 0;
  reason = '';

  readonly #shape: PageShape;
  /** Where the next record begins, and where the records of the page end. */
  #next = 0;
  #limit = 0;
  /** Start of the next page. */
  #page = 0;
  /** What was lost before the page is still to be told. */
  #lostFirst = false;

  constructor(cpu: number, instance: number, shape: PageShape, pages: CpuPages) {
    this.cpu = cpu;
    this.instance = instance;
    this.#shape = shape;
    this.pages = pages;
  }

  /** Brings more pages in and moves to the first record. */
  async load(): Promise<void> {
    const bytes = await this.pages.next();
    if (bytes === null) {
      this.ended = true;
      this.step = Step.EMPTY;
      if (this.pages.damage === '') return;
      this.reason = this.pages.damage;
      this.step = Step.DAMAGE;
      return;
    }
    this.open(bytes);
  }

  /** Takes whole pages and moves to the first record. */
  open(bytes: Uint8Array): void {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#page = 0;
    this.#next = 0;
    this.#limit = 0;
    this.advance();
  }

  /** Moves to the next record, or to what else there is to tell. */
  advance(): void {
    const { view } = this;
    const little = this.#shape.littleEndian;
    for (;;) {
      if (this.#lostFirst) {
        this.#lostFirst = false;
        this.step = Step.LOST;
        return;
      }
      let at = this.#next;
      const limit = this.#limit;
      if (at + 4 > limit) {
        if (!this.#turnPage()) return;
        continue;
      }
      const word = view.getUint32(at, little);
      const type = little ? word & 31 : word >>> 27;
      const delta = little ? word >>> 5 : word & (DELTA - 1);
      at += 4;
      if (type > Type.LARGE && type < Type.PADDING) {
        this.time += delta;
        this.at = at;
        this.end = at + type * 4;
        this.#next = this.end;
        this.step = Step.RECORD;
        if (this.end > limit) this.#damaged('a record that reaches beyond its page');
        return;
      }
      if (type === Type.PADDING && delta === 0) {
        this.#next = limit; // nothing else was written to this page
        continue;
      }
      if (at + 4 > limit) {
        this.#damaged('a record that reaches beyond its page');
        return;
      }
      const more = view.getUint32(at, little);
      if (type === Type.TIME_EXTEND) {
        this.time += more * DELTA + delta;
        this.#next = at + 4;
      } else if (type === Type.TIME_STAMP) {
        this.time = more * DELTA + delta + Math.floor(this.time / ABSOLUTE) * ABSOLUTE;
        this.#next = at + 4;
      } else if (type === Type.PADDING) {
        // A record that was discarded.
        this.time += delta;
        this.#next = at + Math.max(4, more);
      } else {
        this.time += delta;
        this.at = at + 4;
        this.end = at + more;
        this.#next = at + ((more + 3) & ~3);
        this.step = Step.RECORD;
        if (more < 4 || this.end > limit) this.#damaged('a record that reaches beyond its page');
        return;
      }
    }
  }

  /** Goes to the next page; false, with {@link step} set, if there is none or it is damaged. */
  #turnPage(): boolean {
    const { view } = this;
    const { pageSize, commitOffset, commitSize, dataOffset, littleEndian: little } = this.#shape;
    const page = this.#page;
    if (page + dataOffset > view.byteLength) {
      this.step = Step.EMPTY;
      return false;
    }
    this.#page = page + pageSize;
    const low = view.getUint32(little ? page : page + 4, little);
    const high = view.getUint32(little ? page + 4 : page, little);
    this.time = high * TWO_TO_32 + low;
    const commit = view.getUint32(page + commitOffset + (little ? 0 : commitSize - 4), little);
    const length = commit & COMMIT_MASK;
    this.#next = page + dataOffset;
    this.#limit = this.#next + length;
    if (length > pageSize - dataOffset || this.#limit > view.byteLength) {
      this.#damaged('a page with more data than fits in it');
      return false;
    }
    if ((commit & MISSED_EVENTS) !== 0) {
      const stored =
        (commit & MISSED_STORED) !== 0 && this.#limit + commitSize <= Math.min(this.#page, view.byteLength);
      this.lost = stored ? view.getUint32(this.#limit + (little ? 0 : commitSize - 4), little) : -1;
      this.#lostFirst = true;
    }
    return true;
  }

  #damaged(reason: string): void {
    this.reason = reason;
    this.step = Step.DAMAGE;
    this.#next = this.#limit;
  }
}
