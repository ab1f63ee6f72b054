/** What is known of a block that was freed: never seen, freed before, freed now, or freed with the wrong size or cookie. */
export const FreeVerdict = { OK: 0, UNKNOWN: 1, TWICE: 2, WRONG_SIZE: 3, WRONG_COOKIE: 4 } as const;

export type FreeVerdict = (typeof FreeVerdict)[keyof typeof FreeVerdict];

const EMPTY = -1;

/**
 * Every block a stack gave out, by address, in an open-addressed hash table of typed arrays: who has it, how large it is, and
 * whether it is still out. Freed addresses stay, so that a double free can be told from a free of something foreign; the table is
 * therefore as large as the number of distinct addresses ever used, which the memory bounds.
 */
export class LiveBlocks {
  #addresses = new Float64Array(64).fill(EMPTY);
  /** Size of a live block; 0: freed. */
  #sizes = new Float64Array(64);
  #cookies: unknown[] = new Array(64).fill(null);
  #known = 0;
  #live = 0;

  /** Blocks out now. */
  get live(): number {
    return this.#live;
  }

  /** Notes that `pa` went out. */
  add(pa: number, size: number, cookie: unknown): void {
    if ((this.#known + 1) * 2 > this.#addresses.length) this.#grow();
    const slot = this.#slot(pa);
    if (this.#addresses[slot] === EMPTY) {
      this.#addresses[slot] = pa;
      this.#known++;
    }
    if (this.#sizes[slot] === 0) this.#live++;
    this.#sizes[slot] = size;
    this.#cookies[slot] = cookie;
  }

  /** Notes that `pa` came back. Only a verdict of `OK` changes anything. */
  remove(pa: number, size: number, cookie: unknown): FreeVerdict {
    const slot = this.#slot(pa);
    if (this.#addresses[slot] === EMPTY) return FreeVerdict.UNKNOWN;
    if (this.#sizes[slot] === 0) return FreeVerdict.TWICE;
    if (this.#sizes[slot] !== size) return FreeVerdict.WRONG_SIZE;
    if (this.#cookies[slot] !== cookie) return FreeVerdict.WRONG_COOKIE;
    this.#sizes[slot] = 0;
    this.#cookies[slot] = null;
    this.#live--;
    return FreeVerdict.OK;
  }

  /** Size of the live block at `pa`, or 0. */
  sizeOf(pa: number): number {
    return this.#sizes[this.#slot(pa)] as number;
  }

  /** Calls `visit` for every block that is out, in the order of addresses. */
  forEach(visit: (pa: number, size: number) => void): void {
    const order: number[] = [];
    for (let slot = 0; slot < this.#addresses.length; slot++) {
      if ((this.#sizes[slot] as number) > 0) order.push(slot);
    }
    order.sort((a, b) => (this.#addresses[a] as number) - (this.#addresses[b] as number));
    for (const slot of order) visit(this.#addresses[slot] as number, this.#sizes[slot] as number);
  }

  #slot(pa: number): number {
    const addresses = this.#addresses;
    // The length is a power of two. Blocks are at least 64 bytes apart, so the low six bits carry nothing.
    const mask = addresses.length - 1;
    let slot = Math.imul((pa / 64) | 0, 0x9e3779b1) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    while (addresses[slot] !== EMPTY && addresses[slot] !== pa) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const addresses = this.#addresses;
    const sizes = this.#sizes;
    const cookies = this.#cookies;
    const length = addresses.length * 2;
    this.#addresses = new Float64Array(length).fill(EMPTY);
    this.#sizes = new Float64Array(length);
    this.#cookies = new Array(length).fill(null);
    for (let i = 0; i < addresses.length; i++) {
      const pa = addresses[i] as number;
      if (pa === EMPTY) continue;
      const slot = this.#slot(pa);
      this.#addresses[slot] = pa;
      this.#sizes[slot] = sizes[i] as number;
      this.#cookies[slot] = cookies[i];
    }
  }
}
