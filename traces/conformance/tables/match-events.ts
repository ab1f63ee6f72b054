/** Comparing what happened with what a vector says happened. */
import { hexText } from '../../quantity.ts';
import type { WholeAddress } from './outcome.ts';
import { IOVA_EVENTS, type RecordedEvent } from './recorder.ts';
import type { VectorEvent } from './vector.ts';

/** How the texts of the original's warnings and errors correspond to our codes: found from the vectors, and one to one. */
export class CodeBook {
  readonly #toCode = new Map<string, string>();
  readonly #toText = new Map<string, string>();

  /** True when `text` and `code` correspond, or may from now on. `family` keeps source files apart: by format and by kernel. */
  agree(family: string, text: string, code: string): boolean {
    const textKey = `${family} ${text}`;
    const codeKey = `${family} ${code}`;
    const knownCode = this.#toCode.get(textKey);
    const knownText = this.#toText.get(codeKey);
    if (knownCode === undefined && knownText === undefined) {
      this.#toCode.set(textKey, code);
      this.#toText.set(codeKey, text);
      return true;
    }
    return knownCode === code && knownText === text;
  }
}

/** The vector's events with its runs written out, and its nested operations left out (their own events are compared in place). */
export function expandEvents(events: readonly VectorEvent[]): VectorEvent[] {
  const expanded: VectorEvent[] = [];
  for (const event of events) {
    const [kind] = event;
    if (kind === 'Sr' || kind === 'Pr') {
      const [, start, step, count] = event as unknown as readonly [string, string, string, number];
      for (let i = 0; i < count; i++) expanded.push([kind[0] ?? '', stepped(start, step, i), step]);
    } else if (kind !== 'nest') {
      expanded.push(event);
    }
  }
  return expanded;
}

/** The `index`th address of a run. Addresses wrap at 2^64. */
function stepped(start: string, step: string, index: number): string {
  const near = Number(start) + index * Number(step);
  if (near < Number.MAX_SAFE_INTEGER) return hexText(near);
  return `0x${BigInt.asUintN(64, BigInt(start) + BigInt(index) * BigInt(step)).toString(16)}`;
}

/** A text without the addresses in it, written out or as the format that the original did not expand: they are no part of it. */
function textOf(text: string): string {
  return text.replace(/0x[0-9a-f]+|%p[a-zA-Z]*/g, '@');
}

/** True when an event that happened is the one that the vector has. */
function sameEvent(
  expected: VectorEvent,
  actual: RecordedEvent,
  book: CodeBook,
  family: string,
  whole: WholeAddress,
): boolean {
  const [kind] = expected;
  if (kind !== actual.kind) return false;
  if (kind === 'warn' || kind === 'err') {
    return book.agree(family, textOf(`${kind} ${expected.slice(1).join(' | ')}`), textOf(String(actual.values[0])));
  }
  if (expected.length !== actual.values.length + 1) return false;
  const iovaFirst = IOVA_EVENTS.has(kind);
  return actual.values.every((value, i) => {
    const wanted = expected[i + 1];
    if (typeof value === 'string' || typeof wanted !== 'string') return value === wanted;
    if (iovaFirst && i === 0) return BigInt(wanted) === whole(value);
    return Number(wanted) === value;
  });
}

/** The first event of the two lists that differs, or null. */
export function findEventDifference(
  expected: readonly VectorEvent[],
  actual: readonly RecordedEvent[],
  book: CodeBook,
  family: string,
  whole: WholeAddress,
): { index: number; expected: string; actual: string } | null {
  const wanted = expandEvents(expected);
  for (let i = 0; i < Math.max(wanted.length, actual.length); i++) {
    const left = wanted[i];
    const right = actual[i];
    if (left !== undefined && right !== undefined && sameEvent(left, right, book, family, whole)) continue;
    return { index: i, expected: describeExpected(left), actual: describeActual(right, whole) };
  }
  return null;
}

function describeExpected(event: VectorEvent | undefined): string {
  return event === undefined ? 'nothing more' : event.join(' ');
}

function describeActual(event: RecordedEvent | undefined, whole: WholeAddress): string {
  if (event === undefined) return 'nothing more';
  const iovaFirst = IOVA_EVENTS.has(event.kind);
  const values = event.values.map((value, i) => {
    if (typeof value === 'string') return value;
    return `0x${(iovaFirst && i === 0 ? whole(value) : value).toString(16)}`;
  });
  return [event.kind, ...values].join(' ');
}
