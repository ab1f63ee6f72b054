import type { ReplacementGeometry } from './replacement.ts';

/** What a cache is made of. */
export interface CacheGeometry extends ReplacementGeometry {
  readonly entries: number;
  /** Ways of a set; `entries` or 0 makes the cache fully associative. */
  readonly ways: number;
  /** A walk cache: entries may lead to tables. */
  readonly holdsTables: boolean;
  /**
   * False: the set of an entry follows from its page number in units of its own size, and a lookup probes once per page size that is
   * in the cache. True: it follows from the 4 KiB page number, of the aligned address when stored and of the requested address when
   * looked up, so that a block is only found through its first 4 KiB page (gem5).
   */
  readonly blocksFoundByFirstPageOnly: boolean;
}

/**
 * Words of an entry, side by side, two entries to a cache line of the host: 0 tag low, 1 tag high, 2 mask low, 3 mask high,
 * 4 attributes, 5 space, 6 page size as a shift, 7 the next entry of its hash chain. Hot code writes it as a shift by 3.
 */
export const ENTRY_WORDS = 8;
