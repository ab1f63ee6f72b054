/** A growable last-in first-out list of table addresses in one typed array: the free list of every caching allocator. */
export class TableList {
  #pages: Float64Array;
  #count = 0;

  constructor(capacity = 16) {
    this.#pages = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  push(pa: number): void {
    if (this.#count === this.#pages.length) this.reserve(this.#count + 1);
    this.#pages[this.#count++] = pa;
  }

  /** The address put in last, or -1 when empty. */
  pop(): number {
    return this.#count === 0 ? -1 : (this.#pages[--this.#count] as number);
  }

  /** Makes room for `capacity` addresses, so that {@link push} and {@link added} cannot need to grow. */
  reserve(capacity: number): void {
    if (capacity <= this.#pages.length) return;
    const grown = new Float64Array(Math.max(capacity, this.#pages.length * 2));
    grown.set(this.#pages);
    this.#pages = grown;
  }

  /** The backing array, for bulk requests that append at index {@link count}; say how many with {@link added}. */
  get pages(): Float64Array {
    return this.#pages;
  }

  /** `count` addresses were written to {@link pages} from index {@link count} on. */
  added(count: number): void {
    this.#count += count;
  }

  /** Drops the last `count` addresses; they stay readable in {@link pages} until the next push. */
  removed(count: number): void {
    this.#count -= count;
  }
}

/**
 * Free lists of several owners, or one for all. The list used last is remembered, because operations of one owner come in runs.
 */
export class OwnerLists {
  readonly #perOwner: boolean;
  readonly #lists = new Map<unknown, TableList>();
  #lastOwner: unknown = undefined;
  #last: TableList | null = null;

  /** @param perOwner true: a list per cookie; false: one list that all share. */
  constructor(perOwner: boolean) {
    this.#perOwner = perOwner;
  }

  of(cookie: unknown): TableList {
    const owner = this.#perOwner ? cookie : null;
    if (this.#last !== null && owner === this.#lastOwner) return this.#last;
    let list = this.#lists.get(owner);
    if (list === undefined) {
      list = new TableList();
      this.#lists.set(owner, list);
    }
    this.#lastOwner = owner;
    this.#last = list;
    return list;
  }

  /** Every list with its owner, in the order in which owners appeared. */
  entries(): IterableIterator<[unknown, TableList]> {
    return this.#lists.entries();
  }
}
