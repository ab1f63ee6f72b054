/** What `perf trace` and `perf script` print in front of an event's name where {@link FtraceHeader} knows no form. */

import { type CaptureStats, type TraceEvent, UNKNOWN } from '../../events/index.ts';
import { Char, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';
import { joinDecimal, MAX_FRACTION, MAX_TIME } from './header.ts';

/** Words that may stand in front of an event's name: a comm of several, pid, CPU, flags, time, period. */
const MOST_FRONT_WORDS = 12;
/** Columns of a comm in `perf script`. */
const COMM_COLUMNS = 16;
/** How many of the unit of a printed time make a second. */
const SECONDS = 1;
const MILLISECONDS = 1000;

/**
 * `     9.096 dd/474 ` before `end`: milliseconds since the start, comm, thread. Read backwards, since the traced program's own output
 * often stands in front, in the same line.
 */
export function perfTraceFront(
  cursor: TextCursor,
  start: number,
  end: number,
  event: TraceEvent,
  stats: CaptureStats,
): boolean {
  const bytes = cursor.bytes;
  event.cpu = UNKNOWN;
  event.context = UNKNOWN;
  event.pid = UNKNOWN;
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
      const time = timeUpTo(cursor, wordEnd, MILLISECONDS);
      if (time !== NOT_A_NUMBER) {
        event.time = time;
        stats.clock = 'seconds';
        return true;
      }
    }
    wordEnd = at;
  }
  return false;
}

/**
 * What `perf script -F` leaves in front of `end`: of comm, pid (or pid/tid), `[cpu]`, flags, `time:` and period any, also none. Read backwards,
 * since a comm may hold anything: of several times, threads or CPUs the last counts. A front of which no part is understood is none, but for a
 * comm alone, which ends in the column where perf ends it.
 */
export function perfScriptFront(
  cursor: TextCursor,
  start: number,
  end: number,
  event: TraceEvent,
  stats: CaptureStats,
): boolean {
  const bytes = cursor.bytes;
  event.time = 0;
  event.cpu = UNKNOWN;
  event.context = UNKNOWN;
  event.pid = UNKNOWN;
  let timed = false;
  let understood = 0;
  let words = 0;
  let wordEnd = end;
  for (;;) {
    while (wordEnd > start && (bytes[wordEnd - 1] as number) <= Char.SPACE) wordEnd--;
    if (wordEnd === start || words === MOST_FRONT_WORDS) break;
    words++;
    let at = wordEnd;
    while (at > start && (bytes[at - 1] as number) > Char.SPACE) at--;
    if (bytes[at] === Char.OPEN_BRACKET) {
      cursor.at = at + 1;
      const cpu = cursor.decimal();
      if (event.cpu < 0 && cpu !== NOT_A_NUMBER && bytes[cursor.at] === Char.CLOSE_BRACKET) {
        event.cpu = cpu;
        event.pid = UNKNOWN; // a number behind the CPU is the period
        understood++;
      }
    } else if (bytes[wordEnd - 1] === Char.COLON) {
      cursor.at = at;
      const time = timed ? NOT_A_NUMBER : timeUpTo(cursor, wordEnd - 1, SECONDS);
      if (time !== NOT_A_NUMBER) {
        event.time = time;
        stats.clock = 'seconds';
        timed = true;
        event.pid = UNKNOWN; // as is one behind the time
        understood++;
      }
    } else if (event.pid < 0) {
      cursor.at = at;
      event.pid = threadUpTo(cursor, wordEnd);
      if (event.pid >= 0) understood++;
    }
    wordEnd = at;
  }
  return understood > 0 || words === 0 || isComm(bytes, start, end);
}

/** Whether nothing but a comm stands before `end`: to the right of {@link COMM_COLUMNS}, one of which it leaves free at least. */
function isComm(bytes: Uint8Array, start: number, end: number): boolean {
  const commEnd = start + COMM_COLUMNS;
  if (end <= commEnd || bytes[start] !== Char.SPACE || (bytes[commEnd - 1] as number) <= Char.SPACE) return false;
  for (let at = commEnd; at < end; at++) if (bytes[at] !== Char.SPACE) return false;
  return true;
}

/** The time `100.425470` at the cursor in seconds, if it ends at `end`. */
function timeUpTo(cursor: TextCursor, end: number, perSecond: number): number {
  const whole = cursor.decimal();
  if (whole === NOT_A_NUMBER || whole > MAX_TIME || cursor.bytes[cursor.at] !== Char.DOT) return NOT_A_NUMBER;
  const digits = ++cursor.at;
  const fraction = cursor.decimal();
  if (fraction === NOT_A_NUMBER || cursor.at !== end || end - digits > MAX_FRACTION) return NOT_A_NUMBER;
  return joinDecimal(whole, fraction, end - digits, perSecond);
}

/** The thread of `467` or `466/467` at the cursor, if it ends at `end`. */
function threadUpTo(cursor: TextCursor, end: number): number {
  const process = cursor.decimal();
  if (process === NOT_A_NUMBER) return UNKNOWN;
  if (cursor.at === end) return process;
  if (cursor.bytes[cursor.at] !== Char.SLASH) return UNKNOWN;
  cursor.at++;
  const thread = cursor.decimal();
  return cursor.at === end ? thread : UNKNOWN;
}
