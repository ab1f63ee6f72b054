/** Mutants that live and may: what they change cannot be seen, or not by a test. */
export interface Accepted {
  readonly file: string;
  /** The line, without its indentation. */
  readonly line: string;
  readonly change: string;
  /** Equivalent: no result differs. It does not count in the score. Lives: a result differs that no test holds. */
  readonly as: 'equivalent' | 'lives';
  readonly reason: string;
}

export const ACCEPTED: readonly Accepted[] = [
  {
    file: 'formats/short/table.ts',
    line: 'if (pageSize === SMALL_PAGE_SIZE && count === 1 && this.#mapsAtOnce) {',
    change: '1 → 0',
    as: 'equivalent',
    reason: 'the short way for one page does what the general way does, only sooner',
  },
  {
    file: 'formats/lpae/edit/contiguous.ts',
    line: 'let marked = length === 0 ? 0 : count - first - ((index + count) % length);',
    change: '0 → (-1)',
    as: 'equivalent',
    reason: 'the next test takes every number up to 0 for none',
  },
  {
    file: 'formats/allocators/layers/live-blocks.ts',
    line: 'if (this.#addresses[slot] === EMPTY) {',
    change: 'this.#addresses[slot] === EMPTY → true',
    as: 'equivalent',
    reason: 'the address is stored over itself, and the table grows sooner than it must',
  },
  {
    file: 'formats/lpae/edit/contiguous.ts',
    line: 'core.memory.written(runPa, 8 * length);',
    change: '8 → 9',
    as: 'lives',
    reason: 'announces bytes of the next run as well; only the time of the cache model could tell',
  },
  {
    file: 'formats/lpae/walk.ts',
    line: 'if (!(end > 0 && end <= limit)) {',
    change: '0 → 1',
    as: 'lives',
    reason: 'differs for a range of the one byte at address 0, which no caller has',
  },
  {
    file: 'formats/lpae/table.ts',
    line: 'if (((words[at] as number) & 3) === 0) {',
    change: '(words[at] as number) & 3 → (words[at] as number) | 3',
    as: 'equivalent',
    reason: 'the short way for one leaf is never taken; the general way does the same',
  },
  {
    file: 'formats/lpae/core.ts',
    line: 'if ((low & 3) === type) count++;',
    change: '(low & 3) === type → false',
    as: 'equivalent',
    reason: 'the number of leaves stays unknown, and the entries are looked at one by one',
  },
  {
    file: 'formats/lpae/walk.ts',
    line: 'this.remembers = core.coherent || core.isSynced(high);',
    change: 'core.coherent || core.isSynced(high) → core.coherent && core.isSynced(high)',
    as: 'equivalent',
    reason: 'fewer tables are remembered, and found by a walk from the root',
  },
];
