import { NO_PAGES, type Prng, type TableAllocator, type TableMemory } from '../../formats/index.ts';
import type { PlantedBugsConfig } from './config.ts';

/** An allocator whose users get wrong what they give back. Where no bug is planted it is `inner`. */
export function misused(inner: TableAllocator, config: PlantedBugsConfig, prng: Prng): TableAllocator {
  const { leak, doubleFree, wrongFree, wrongOwner, strayFree } = config;
  if (leak + doubleFree + wrongFree + wrongOwner + strayFree === 0) return inner;
  /** The table that was allocated last and is alive; -1 without one. */
  let newest = NO_PAGES;
  let newestSize = 0;
  return {
    alloc: (cookie, size, gfp) => {
      newest = inner.alloc(cookie, size, gfp);
      newestSize = size;
      return newest;
    },
    free: (cookie, pa, size) => {
      if (prng.chance(leak)) return;
      const stray = newest >= 0 && newest !== pa && newestSize === size && prng.chance(strayFree);
      const freed = stray ? newest : pa;
      if (freed === newest) newest = NO_PAGES;
      if (prng.chance(wrongFree)) inner.free(cookie, freed, 2 * size);
      else inner.free(prng.chance(wrongOwner) ? {} : cookie, freed, size);
      if (prng.chance(doubleFree)) inner.free(cookie, freed, size);
    },
  };
}

/**
 * An allocator that itself goes wrong: gives out tables as their memory was left, or a table that is in use. Where no bug is planted it
 * is `inner`.
 * @param memory the CPU's view of the tables
 */
export function unreliable(
  inner: TableAllocator,
  config: PlantedBugsConfig,
  prng: Prng,
  memory: TableMemory,
): TableAllocator {
  const { dirtyTable, tableTwice } = config;
  if (dirtyTable + tableTwice === 0) return inner;
  let last = NO_PAGES;
  let lastSize = 0;
  return {
    alloc: (cookie, size, gfp) => {
      if (last >= 0 && lastSize === size && prng.chance(tableTwice)) return last;
      const pa = inner.alloc(cookie, size, gfp);
      last = pa;
      lastSize = size;
      // Allocators zero what they give out: here is what an earlier owner may have left, odd words that look valid among it.
      if (pa >= 0 && prng.chance(dirtyTable)) {
        const at = memory.index(pa);
        for (let word = 0; word < size / 4; word += 16) memory.words[at + word] = 0x0bad_0000 | word | 1;
        memory.written(pa, size);
      }
      return pa;
    },
    free: (cookie, pa, size) => {
      if (pa === last) last = NO_PAGES;
      inner.free(cookie, pa, size);
    },
  };
}
