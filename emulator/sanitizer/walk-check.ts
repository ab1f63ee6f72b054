import { addressText, descriptorText, FindingKind } from './finding.ts';
import type { Sanitizer } from './sanitizer.ts';
import { PAGE_WORDS_SHIFT, PageUse, type TableMap, type WatchedSpace } from './tables/index.ts';

const PAGE_ENTRIES = 512;

/** What the walker was given, and where it stands in memory. */
interface DescriptorRead {
  readonly low: number;
  readonly high: number;
}

/**
 * Looks at every descriptor that the table walker reads: it must lie in a table that is alive, that belongs to the address space of the
 * access and covers its address. Where that is not so, a walk-cache entry or a stale table entry led the walker astray.
 */
export class WalkCheck {
  /** Address space of the access under way; null where it is not known, and then only freed tables are told. */
  space: WatchedSpace | null = null;
  readonly #tables: TableMap;
  readonly #sanitizer: Sanitizer;
  readonly #read: DescriptorRead;

  /** @param read holds the descriptor that was read: the walker's port */
  constructor(tables: TableMap, sanitizer: Sanitizer, read: DescriptorRead) {
    this.#tables = tables;
    this.#sanitizer = sanitizer;
    this.#read = read;
  }

  /** A descriptor at `pa` was read. */
  check(pa: number): void {
    const tables = this.#tables;
    const at = tables.memory.peek(pa);
    const page = at >>> PAGE_WORDS_SHIFT;
    const use = tables.use[page];
    if (at < 0 || use === undefined || use === PageUse.OTHER) return;
    if (use === PageUse.FREED) {
      this.#found(pa, page, `was freed by operation ${tables.freedBy[page]}`);
      return;
    }
    const { space } = this;
    if (space === null || !space.followed) return;
    if (tables.space[page] !== space.number) {
      this.#found(pa, page, 'was freed, and serves another table now');
      return;
    }
    const span = space.spans[tables.level[page] as number] as number;
    const offset = this.#sanitizer.accessIova - (tables.iova[page] as number);
    if (offset < 0 || offset >= PAGE_ENTRIES * span || Math.floor(offset / span) !== (pa % 4096) / 8) {
      this.#found(pa, page, `was freed, and covers ${addressText(tables.iova[page] as number)} on now`);
    }
  }

  /** The walker read a descriptor at `pa` that the CPU had changed, but not made visible to it. */
  stale(pa: number): void {
    const { low, high } = this.#read;
    const { memory } = this.#tables;
    const page = this.#tables.pageOf(pa);
    const level = this.#tables.level[page];
    this.#sanitizer.found(FindingKind.STALE_WALK, this.#sanitizer.accessIova, () => {
      const at = memory.peek(pa);
      const newest = at < 0 ? '' : ` (${descriptorText(memory.words[at] as number, memory.words[at + 1] as number)})`;
      const known = level !== undefined && level >= 0;
      return {
        detail:
          `the walker read descriptor ${descriptorText(low, high)} at ${addressText(pa)}` +
          `${known ? `, level ${level}` : ''}, which is newer in the CPU cache${newest}: not synced`,
        ...(known ? { level } : {}),
        low,
        high,
      };
    });
  }

  #found(pa: number, page: number, what: string): void {
    const { low, high } = this.#read;
    const level = this.#levelOf(pa, page);
    this.#sanitizer.found(FindingKind.USE_AFTER_FREE_WALK, this.#sanitizer.accessIova, () => ({
      detail: `the walker read descriptor ${descriptorText(low, high)} at ${addressText(pa)}, level ${level}, in a table that ${what}`,
      level,
      low,
      high,
    }));
  }

  /** Level at which the walker was: that whose index of the address is the entry's; the table's own where several are. */
  #levelOf(pa: number, page: number): number {
    const { space } = this;
    const own = this.#tables.level[page] as number;
    if (space === null) return own;
    const entry = (pa % 4096) / 8;
    const { accessIova } = this.#sanitizer;
    const fits = (level: number): boolean =>
      level >= 0 && Math.floor(accessIova / (space.spans[level] as number)) % PAGE_ENTRIES === entry;
    if (fits(own)) return own;
    for (let level = space.geometry.lastLevel; level >= space.geometry.startLevel; level--)
      if (fits(level)) return level;
    return own;
  }
}
