/** Entries of the table, a power of two; a newer page takes the place of an older one that falls on the same entry. */
const ENTRIES = 1 << 17;
/** Pages of a chunk: what a driver allocates for its requests comes in one piece. */
const CHUNK_SHIFT = 4;
/** Pages of one map that are remembered one by one. */
const MOST_PAGES = 16;
const LONGEST_STREAK = 255;
/** Classes of how often in a row the owner was the same: once, up to 3, up to 15, more; for a page, then for a chunk. */
export const STREAKS = 8;

/**
 * Which domain last mapped a physical page, and how often in a row. A driver maps the memory of its own requests again and again (a virtio
 * disk the header and status of each request, a network card the pages of its pool); what a process reads into goes to whatever disk.
 */
export class PageOwners {
  readonly #keys = new Float64Array(ENTRIES).fill(-1);
  readonly #owners = new Int16Array(ENTRIES);
  readonly #streaks = new Uint8Array(ENTRIES);
  /** Who mapped the page of the last {@link find}, or its chunk; -1 when nobody did. */
  owner = -1;
  /** Class of how often. */
  streak = 0;

  /** Looks the page up, and else the chunk it is in. */
  find(page: number): void {
    this.owner = -1;
    if (!this.#findKey(2 * page, 0)) this.#findKey(2 * Math.floor(page / 2 ** CHUNK_SHIFT) + 1, STREAKS / 2);
  }

  /** The domain mapped so many pages from this one on. */
  learn(page: number, pages: number, owner: number): void {
    const last = page + pages - 1;
    for (let at = page; at <= last && at < page + MOST_PAGES; at++) this.#note(2 * at, owner);
    for (
      let chunk = Math.floor(page / 2 ** CHUNK_SHIFT), n = 0;
      chunk <= last / 2 ** CHUNK_SHIFT && n < MOST_PAGES;
      chunk++, n++
    ) {
      this.#note(2 * chunk + 1, owner);
    }
  }

  #findKey(key: number, first: number): boolean {
    const at = entryOf(key);
    if (this.#keys[at] !== key) return false;
    const streak = this.#streaks[at] as number;
    this.owner = this.#owners[at] as number;
    this.streak = first + (streak <= 1 ? 0 : streak <= 3 ? 1 : streak <= 15 ? 2 : 3);
    return true;
  }

  #note(key: number, owner: number): void {
    const at = entryOf(key);
    if (this.#keys[at] === key && this.#owners[at] === owner) {
      if ((this.#streaks[at] as number) < LONGEST_STREAK) this.#streaks[at] = (this.#streaks[at] as number) + 1;
      return;
    }
    this.#keys[at] = key;
    this.#owners[at] = owner;
    this.#streaks[at] = 1;
  }
}

function entryOf(key: number): number {
  return (Math.imul(key, 0x9e3779b1) >>> 8) & (ENTRIES - 1);
}
