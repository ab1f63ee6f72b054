import { type CaptureStats, type TraceEvent, UNKNOWN } from '../../events/index.ts';
import { Char, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';
import { joinDecimal, MAX_FRACTION } from './header.ts';

const BAR = 0x7c;

/**
 * What the function graph tracer prints before `end`, in front of an event that is a comment among its functions: `4.610481 |   0)  dd-419    |
 * |  `, of which any part may be missing (options funcgraph-abstime, funcgraph-cpu, funcgraph-proc). A number behind the CPU is a duration.
 */
export function graphFront(
  cursor: TextCursor,
  start: number,
  end: number,
  event: TraceEvent,
  stats: CaptureStats,
): void {
  const { bytes } = cursor;
  event.time = 0;
  event.cpu = UNKNOWN;
  event.pid = UNKNOWN;
  event.context = UNKNOWN;
  for (let at = start; at < end; at++) {
    if ((bytes[at] as number) <= Char.SPACE || bytes[at] === BAR) continue;
    const word = at;
    while (at < end && (bytes[at] as number) > Char.SPACE) at++;
    cursor.at = word;
    const whole = cursor.decimal();
    if (whole !== NOT_A_NUMBER && bytes[cursor.at] === Char.CLOSE && cursor.at + 1 === at) event.cpu = whole;
    else if (whole !== NOT_A_NUMBER && bytes[cursor.at] === Char.DOT && event.cpu < 0) {
      const digits = ++cursor.at;
      const fraction = cursor.decimal();
      if (fraction === NOT_A_NUMBER || cursor.at !== at || at - digits > MAX_FRACTION) continue;
      event.time = joinDecimal(whole, fraction, at - digits, 1);
      stats.clock = 'seconds';
    } else event.pid = Math.max(event.pid, pidOf(cursor, word, at));
  }
}

/** The `419` of `dd-419`; UNKNOWN for a word of another form. */
function pidOf(cursor: TextCursor, word: number, end: number): number {
  const { bytes } = cursor;
  let dash = end - 1;
  while (dash > word && bytes[dash] !== Char.MINUS) dash--;
  if (bytes[dash] !== Char.MINUS) return UNKNOWN;
  cursor.at = dash + 1;
  const pid = cursor.decimal();
  return cursor.at === end && pid !== NOT_A_NUMBER ? pid : UNKNOWN;
}
