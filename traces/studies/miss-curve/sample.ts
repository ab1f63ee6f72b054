/** log2 of the unit of page numbers in tags. */
export const FIRST_PAGE_SHIFT = 12;
/** Bits below the owner in the high tag word. */
export const OWNER_SHIFT = 12;
/** Groups of sampled pages, whose differences tell the error. */
export const GROUPS = 16;

/**
 * Which pages are followed: those whose hash is small, so that a page is followed always or never (SHARDS, Waldspurger, Park, Garthwaite and
 * Ahmad 2015). A cache of `n` entries of all pages then behaves as one of `share * n` of those followed.
 */
export class Sample {
  /** 0 to 1. */
  readonly share: number;
  readonly all: boolean;
  readonly #threshold: number;
  /** Group of the page that was taken last. */
  group = 0;

  constructor(share: number) {
    this.share = share;
    this.all = share >= 1;
    this.#threshold = share * 2 ** 32;
  }

  /** Whether the page of these words is followed. */
  takes(low: number, high: number): boolean {
    if (this.all) return true;
    let mixed = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0xcc9e2d51);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
    mixed = (mixed ^ (mixed >>> 16)) >>> 0;
    this.group = mixed % GROUPS;
    return mixed < this.#threshold;
  }
}
