import { Coverage, type LiveRanges } from '../../emulator/index.ts';
import type { DomainInfo } from './domain.ts';

/** A range that is live in a domain, `[start, end)`. */
export interface HeldPart {
  readonly start: number;
  readonly end: number;
}

/** What of `[start, end)` is live, cut to it, in ascending order. */
export function heldParts(live: LiveRanges, start: number, end: number): HeldPart[] {
  const parts: HeldPart[] = [];
  live.forEachIn(start, end, (from, to) => parts.push({ start: Math.max(from, start), end: Math.min(to, end) }));
  return parts;
}

/** The live ranges that touch `[start, end)`, whole, in ascending order. */
export function heldRanges(live: LiveRanges, start: number, end: number): HeldPart[] {
  const parts: HeldPart[] = [];
  live.forEachIn(start, end, (from, to) => parts.push({ start: from, end: to }));
  return parts;
}

/** Number of the inferred domain of a capture that holds `[start, end)` as one or several whole mappings; -1 when none does. */
export function holderOf(domains: readonly DomainInfo[], which: number, start: number, end: number): number {
  return domains.findIndex(
    ({ capture, origin, live }) =>
      capture === which && origin === 'inferred' && live.coverage(start, end) === Coverage.WHOLE,
  );
}
