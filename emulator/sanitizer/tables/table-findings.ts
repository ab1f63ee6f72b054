import { addressText, descriptorText, FindingKind } from '../finding.ts';
import type { Sanitizer } from '../sanitizer.ts';

/** What is said of tables and descriptors that break the rules: the findings of {@link TableWatch}, in words. */

/** Why a table that is freed can still be reached. */
const LINKED = 'its entry is still valid';

/** Table code links what it was given without a look: a word that is not zero is a descriptor that nobody made. */
export function foundDirty(sanitizer: Sanitizer, pa: number, words: Uint32Array, start: number, at: number): void {
  sanitizer.found(FindingKind.DIRTY_TABLE, sanitizer.iova, () => {
    const low = words[at & ~1] as number;
    const high = words[at | 1] as number;
    return {
      detail: `the table allocated at ${addressText(pa)} was not zeroed: ${descriptorText(low, high)} at byte ${4 * (at - start)}`,
      low,
      high,
    };
  });
}

/** @param level where it stands, -1 while no entry leads to it @param since operation that allocated it */
export function foundInUse(sanitizer: Sanitizer, pa: number, level: number, since: number): void {
  sanitizer.found(FindingKind.TABLE_IN_USE, sanitizer.iova, () => ({
    detail: `the table at ${addressText(pa)}, in use since operation ${since}, was given out once more`,
    ...(level < 0 ? {} : { level }),
  }));
}

/** @param since operation that cleared its entry, -1 when it is still valid */
export function foundFreedEarly(sanitizer: Sanitizer, pa: number, level: number, iova: number, since: number): void {
  sanitizer.found(FindingKind.EARLY_TABLE_FREE, iova, () => ({
    detail:
      `the level ${level} table at ${addressText(pa)} was freed while the walker may still reach it: ` +
      (since < 0 ? LINKED : `its entry, cleared by operation ${since}, was not invalidated`),
    level,
  }));
}

/** @param since operation that unmapped what was in [start, end) */
export function foundMadeEarly(
  sanitizer: Sanitizer,
  level: number,
  low: number,
  high: number,
  start: number,
  end: number,
  since: number,
): void {
  sanitizer.found(FindingKind.BREAK_BEFORE_MAKE, start, () => ({
    detail:
      `${descriptorText(low, high)} was made at level ${level} before what operation ${since} unmapped in ` +
      `[${addressText(start)}, ${addressText(end)}) was invalidated`,
    level,
    low,
    high,
  }));
}

/** @param split a block became a table */
export function foundReplaced(
  sanitizer: Sanitizer,
  level: number,
  iova: number,
  old: readonly [low: number, high: number],
  now: readonly [low: number, high: number],
  split: boolean,
): void {
  sanitizer.found(FindingKind.BREAK_BEFORE_MAKE, iova, () => ({
    detail:
      `at level ${level}, ${descriptorText(...old)} ${split ? '(a block) became the table' : 'became'} ` +
      `${descriptorText(...now)} with no invalidation in between`,
    level,
    low: old[0],
    high: old[1],
  }));
}
