import { Context, contextOfFlags } from '../../events/index.ts';
import { ascii, Char, NOT_A_NUMBER, skipPast, type TextCursor } from '../text-cursor.ts';

/**
 * The front of a trace line, up to the event name, in the forms that tracers print:
 *
 *     trace, trace_pipe        dd-419     [000] d.h..    56.826937: map: ...         also with (tgid), without flags, old four-letter flags
 *     trace-cmd report         dd-436   [000]    64.275727: map:   ...               also with instance names, (+N) time differences
 *     perf script              dd   467 [000]   100.425470:   iommu:map: ...         also pid/tid
 *     latency-format           dd-324       0..... 26224us!: map: ...                also trace-cmd report -l
 *     latency-format, verbose  dd     393   0 0 00000000 00000000 [0312dd17] 17.932ms (+0.522ms): map: ...
 *
 * A comm may hold spaces, dashes, brackets and parentheses. The kernel pads it to 16 columns, which decides the usual case; otherwise
 * the first place from the left that reads as a whole header counts, so that nothing in an event's own text is taken for one.
 */
export class FtraceHeader {
  time = 0;
  cpu = -1;
  pid = -1;
  context: Context = Context.UNKNOWN;
  /** False when the time is a tick count (an integer without unit). */
  seconds = true;
  /** Start and end of the trace instance's name in the line; equal when there is none. */
  instanceStart = 0;
  instanceEnd = 0;

  /** Reads the header at the cursor and leaves the cursor on the event name; false, with the cursor anywhere, if there is none. */
  read(cursor: TextCursor): boolean {
    const start = cursor.at;
    this.instanceStart = start;
    this.instanceEnd = start;
    const separator = cursor.bytes[start + COMM_WIDTH];
    if (separator === Char.MINUS || separator === Char.SPACE) {
      if (!hasLineFeed(cursor.view, start)) {
        cursor.at = start + COMM_WIDTH + 1;
        if (this.#afterComm(cursor)) return true;
      }
    }
    return this.#search(cursor, start);
  }

  /** `PID [CPU] flags time:` with the cursor behind the comm and its separator. */
  #afterComm(cursor: TextCursor): boolean {
    cursor.skipSpaces();
    let pid = cursor.decimal();
    if (pid === NOT_A_NUMBER) return false;
    if (cursor.bytes[cursor.at] === Char.SLASH) {
      cursor.at++;
      pid = cursor.decimal();
    }
    cursor.skipSpaces();
    if (cursor.bytes[cursor.at] === Char.OPEN) {
      if (!skipPast(cursor, Char.CLOSE)) return false;
      cursor.skipSpaces();
    }
    if (!this.#fromCpu(cursor)) return false;
    this.pid = pid;
    return true;
  }

  /** `[CPU] flags time:` */
  #fromCpu(cursor: TextCursor): boolean {
    const bytes = cursor.bytes;
    if (bytes[cursor.at] !== Char.OPEN_BRACKET) return false;
    cursor.at++;
    const cpu = cursor.decimal();
    if (cpu === NOT_A_NUMBER || bytes[cursor.at] !== Char.CLOSE_BRACKET) return false;
    cursor.at++;
    if (!this.#flagsAndTime(cursor)) return false;
    this.cpu = cpu;
    return true;
  }

  /** `d.h..    56.826937:` or the time alone. */
  #flagsAndTime(cursor: TextCursor): boolean {
    cursor.skipSpaces();
    const bytes = cursor.bytes;
    const first = bytes[cursor.at] as number;
    let context: Context = Context.UNKNOWN;
    if (first < Char.ZERO || first > Char.NINE) {
      if (!isFlag(first)) return false;
      context = contextOf(bytes[cursor.at + 2] as number);
      let at = cursor.at + 1;
      while ((bytes[at] as number) > Char.SPACE) at++;
      if (at - cursor.at > MAX_FLAGS) return false;
      cursor.at = at;
      cursor.skipSpaces();
    }
    if (!this.#readTime(cursor)) return false;
    this.context = context;
    return true;
  }

  /** `56.826937:`, `2856:`, `26224us!:`; then blanks and a `(+26)` time difference. */
  #readTime(cursor: TextCursor): boolean {
    const bytes = cursor.bytes;
    let time = cursor.decimal();
    if (time === NOT_A_NUMBER || time > MAX_TIME) return false;
    let seconds = false;
    if (bytes[cursor.at] === Char.DOT) {
      const digits = ++cursor.at;
      const fraction = cursor.decimal();
      if (fraction === NOT_A_NUMBER || cursor.at - digits > MAX_FRACTION) return false;
      time = joinDecimal(time, fraction, cursor.at - digits, 1);
      seconds = true;
    } else if (bytes[cursor.at] === Char.U && bytes[cursor.at + 1] === Char.S) {
      time /= 1e6;
      cursor.at += 2;
      seconds = true;
    }
    // Latency format marks long delays with one sign before the colon.
    if (seconds && (bytes[cursor.at] as number) >= Char.SPACE && bytes[cursor.at + 1] === Char.COLON) cursor.at++;
    if (bytes[cursor.at] !== Char.COLON) return false;
    cursor.at++;
    cursor.skipSpaces();
    if (bytes[cursor.at] === Char.OPEN && bytes[cursor.at + 1] === Char.PLUS) {
      if (!skipPast(cursor, Char.CLOSE)) return false;
      cursor.skipSpaces();
    }
    this.time = time;
    this.seconds = seconds;
    return true;
  }

  /** Tries every place in the line where a header could begin, from the left. */
  #search(cursor: TextCursor, start: number): boolean {
    const bytes = cursor.bytes;
    let from = start;
    if (bytes[start] !== Char.SPACE) {
      let at = start;
      while ((bytes[at] as number) > Char.SPACE) at++;
      if (at > start && bytes[at - 1] === Char.COLON && bytes[at] === Char.SPACE) {
        this.#instance(bytes, start);
        from = at;
      }
    }
    for (let at = from; bytes[at] !== Char.LF; at++) {
      const byte = bytes[at];
      if (byte === Char.OPEN_BRACKET) {
        if (this.#bracketAt(cursor, at, from)) return true;
      } else if (byte === Char.MINUS) {
        cursor.at = at + 1;
        if (this.#latency(cursor)) return true;
      }
    }
    return false;
  }

  /** The name up to its colon. `grep -n` puts the number of each line behind it, or in its place: that names nothing. */
  #instance(bytes: Uint8Array, start: number): void {
    let at = start;
    let isNumber = true;
    for (; bytes[at] !== Char.COLON; at++) isNumber &&= isDigit(bytes[at] as number);
    this.instanceEnd = isNumber ? start : at;
  }

  /** A `[` that may enclose the CPU number, or in verbose latency format the absolute time. */
  #bracketAt(cursor: TextCursor, at: number, from: number): boolean {
    const bytes = cursor.bytes;
    let back = at - 1;
    while (back > from && bytes[back] === Char.SPACE) back--;
    if (bytes[back] === Char.CLOSE) {
      while (back > from && bytes[back] !== Char.OPEN) back--;
      back--;
      while (back > from && bytes[back] === Char.SPACE) back--;
    }
    const last = back;
    while (back >= from && isDigit(bytes[back] as number)) back--;
    cursor.at = at;
    if (back < last && this.#fromCpu(cursor)) {
      const behind = cursor.at;
      cursor.at = back + 1;
      this.pid = cursor.decimal();
      cursor.at = behind;
      return true;
    }
    return this.#verbose(cursor, at, from);
  }

  /** `PID  0d.h.. 26730us!:` with the cursor on the PID. */
  #latency(cursor: TextCursor): boolean {
    const pid = cursor.decimal();
    if (pid === NOT_A_NUMBER || cursor.bytes[cursor.at] !== Char.SPACE) return false;
    cursor.skipSpaces();
    const cpu = cursor.decimal();
    if (cpu === NOT_A_NUMBER) return false;
    if (cursor.bytes[cursor.at] === Char.MINUS) {
      // `trace-cmd report -l -R` prints the flags as they are: `0-0x10`.
      while ((cursor.bytes[cursor.at] as number) > Char.SPACE) cursor.at++;
      cursor.skipSpaces();
      if (!this.#readTime(cursor)) return false;
      this.context = Context.UNKNOWN;
    } else if (!isFlag(cursor.bytes[cursor.at] as number) || !this.#flagsAndTime(cursor)) return false;
    this.pid = pid;
    this.cpu = cpu;
    return true;
  }

  /** `PID CPU flags preempt index [absolute] 17.932ms (+0.522ms):` with `at` on the bracket. */
  #verbose(cursor: TextCursor, at: number, from: number): boolean {
    const bytes = cursor.bytes;
    cursor.at = at + 1;
    if (cursor.hex() === NOT_A_NUMBER || bytes[cursor.at] !== Char.CLOSE_BRACKET) return false;
    cursor.at++;
    cursor.skipSpaces();
    const whole = cursor.decimal();
    if (whole === NOT_A_NUMBER || whole > MAX_TIME || bytes[cursor.at] !== Char.DOT) return false;
    const digits = ++cursor.at;
    const fraction = cursor.decimal();
    if (fraction === NOT_A_NUMBER || cursor.at - digits > MAX_FRACTION) return false;
    const time = joinDecimal(whole, fraction, cursor.at - digits, 1000);
    if (!cursor.take(VERBOSE_UNIT) || !skipPast(cursor, Char.CLOSE) || bytes[cursor.at] !== Char.COLON) return false;
    const behind = cursor.at + 1;
    // Backwards over index, preempt count, flags, CPU, PID.
    let back = at;
    for (let field = 0; field < VERBOSE_FIELDS; field++) {
      back--;
      while (back > from && bytes[back] === Char.SPACE) back--;
      while (back > from && (bytes[back - 1] as number) > Char.SPACE) back--;
      cursor.at = back;
      // Index and preempt count are hexadecimal.
      const value = field < 2 ? cursor.hex() : cursor.decimal();
      // The line has to have all of them: what stands before it belongs to others.
      if (back <= from && field < VERBOSE_FIELDS - 1) return false;
      if (value === NOT_A_NUMBER) return false;
      if (field === 2) this.context = contextOfFlags(value);
      else if (field === 3) this.cpu = value;
      else if (field === 4) this.pid = value;
    }
    cursor.at = behind;
    cursor.skipSpaces();
    this.time = time;
    this.seconds = true;
    return true;
  }
}

/** Columns of the comm in every tracer but latency format (Linux `TASK_COMM_LEN`). */
const COMM_WIDTH = 16;
/** Longest flags column: five letters and a two-digit preempt and migrate-disable depth. */
const MAX_FLAGS = 8;
/** Digits behind a time's point: tracers print nanoseconds at most. */
export const MAX_FRACTION = 9;
/** Times beyond this are not exact in a double, and no clock has counted so far. */
export const MAX_TIME = Number.MAX_SAFE_INTEGER;
const VERBOSE_UNIT = ascii('ms (');
const VERBOSE_FIELDS = 5;

/** `whole.fraction / divisor` rounded once, so that it equals what the text says as a double. */
export function joinDecimal(whole: number, fraction: number, digits: number, divisor: number): number {
  const scale = POWERS_OF_TEN[digits] as number;
  const joined = whole * scale + fraction;
  if (joined <= Number.MAX_SAFE_INTEGER) return joined / (scale * divisor);
  return (whole + fraction / scale) / divisor;
}
const POWERS_OF_TEN = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** Whether the comm's sixteen columns hold the end of a short line. Four bytes at a time: a byte that becomes 0 borrows from above. */
function hasLineFeed(view: DataView, start: number): boolean {
  let found = 0;
  for (let at = start; at < start + COMM_WIDTH; at += 4) {
    const word = view.getUint32(at, true) ^ FOUR_LINE_FEEDS;
    found |= (word - 0x01010101) & ~word & 0x80808080;
  }
  return found !== 0;
}
const FOUR_LINE_FEEDS = 0x0a0a0a0a;

function isDigit(byte: number): boolean {
  return byte >= Char.ZERO && byte <= Char.NINE;
}

/** First letter of the flags column: interrupts (Linux `trace_print_lat_fmt`). */
function isFlag(byte: number): boolean {
  return byte === Char.DOT || byte === Char.D || byte === 0x44 || byte === 0x58 || byte === 0x62;
}

/** Third letter of the flags column. */
function contextOf(letter: number): Context {
  switch (letter) {
    case 0x2e: // .
      return Context.TASK;
    case 0x73: // s
      return Context.SOFTIRQ;
    case 0x68: // h
    case 0x48: // H: a hard interrupt inside a soft one
      return Context.HARDIRQ;
    case 0x7a: // z
    case 0x5a: // Z
      return Context.NMI;
    default:
      return Context.UNKNOWN;
  }
}
