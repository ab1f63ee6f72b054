import { FIRST_SHIFT } from './tag.ts';

const HIGH = 4294967296;

/** Which set of a cache a page belongs to. All arithmetic is in integers of 31 bits where they suffice. */
export class SetIndex {
  readonly #sets: number;
  /** Sets less one where they are a power of two, else -1. */
  readonly #mask: number;
  readonly #inverse: number;
  readonly #firstPageOnly: boolean;

  /** @param firstPageOnly see `CacheGeometry.blocksFoundByFirstPageOnly` */
  constructor(sets: number, firstPageOnly: boolean) {
    this.#sets = sets;
    this.#mask = (sets & (sets - 1)) === 0 ? sets - 1 : -1;
    this.#inverse = 1 / sets;
    this.#firstPageOnly = firstPageOnly;
  }

  /**
   * The set that an entry of a size is stored in.
   *
   * @param salt number mixed into the index
   */
  ofEntry(shift: number, low: number, high: number, salt: number): number {
    return this.#firstPageOnly === true ? this.ofPage(low, high, salt) : this.ofSized(shift, low, high, salt);
  }

  /** The set by 4 KiB page number. */
  ofPage(low: number, high: number, salt: number): number {
    if (this.#mask >= 0) return (low ^ salt) & this.#mask;
    const page = (high & 0xff) * HIGH + ((low ^ salt) >>> 0);
    return page % this.#sets;
  }

  /** The set by page number in units of a size. */
  ofSized(shift: number, low: number, high: number, salt: number): number {
    const sets = this.#sets;
    if (sets === 1) return 0;
    const bits = shift - FIRST_SHIFT;
    // Page number in units of the size: 31 bits hold it from 2 MiB pages up (of a 52-bit address all but the top bit).
    if (bits >= 9 && bits < 32) {
      const page = (((high & 0x7f) << (32 - bits)) | (low >>> bits)) ^ salt;
      if (this.#mask >= 0) return page & this.#mask;
      // Division by a constant of this cache: a product with its inverse, corrected where rounding falls on the wrong side.
      const left = page - ((page * this.#inverse) | 0) * sets;
      return left < 0 ? left + sets : left >= sets ? left - sets : left;
    }
    if (bits === 0) return this.ofPage(low, high, salt);
    if (bits >= 32) return (((high & 0xff) >>> (bits - 32)) ^ salt) % sets;
    const page = Math.floor(((high & 0xff) * HIGH + (low >>> 0)) / 2 ** bits);
    if (this.#mask >= 0) return ((page | 0) ^ salt) & this.#mask;
    return (page + salt) % sets;
  }
}
