import { rangeBytes } from '../../spec/index.ts';

/** Largest NUM of a range invalidation: 32 units. */
const MOST_UNITS = 32;

/**
 * Cuts the invalidation of `[iova, iova + size)` into commands, as Linux 6.12's arm-smmu-v3 does
 * (`__arm_smmu_tlb_inv_range`): with range invalidation, five bits of the remaining page count per command, lowest bits first,
 * so that any range takes at most one command per five bits; without it, one command per `granule`.
 *
 *     cover.begin(iova, size, granule, leaf);
 *     while (cover.next()) emit(cover.address, cover.num, cover.scale, cover.ttl, cover.tg);
 */
export class RangeCover {
  /** Address of the command. */
  address = 0;
  /** NUM, SCALE, TTL and TG of the command; all 0 without range invalidation. */
  num = 0;
  scale = 0;
  ttl = 0;
  tg = 0;
  /** Bytes that the command covers. */
  bytes = 0;
  /** log2 of the smallest page of the table. */
  readonly #pageShift: number;
  readonly #page: number;
  readonly #ranges: boolean;
  readonly #covering: boolean;
  #end = 0;
  #next = 0;
  #pages = 0;

  /**
   * @param pageShift log2 of the smallest page of the table: 12, 14 or 16
   * @param ranges whether the SMMU has range invalidation (IDR3.RIL)
   * @param covering one command for any range, which drops what lies in its last unit too (not what Linux does)
   */
  constructor(pageShift: number, ranges: boolean, covering = false) {
    this.#covering = covering;
    this.#pageShift = pageShift;
    this.#page = 2 ** pageShift;
    this.#ranges = ranges;
  }

  /**
   * @param granule bytes of each leaf that went away; of a table that went away, what the table code gave
   * @param leaf false when tables went away too, so that the level is not known
   */
  begin(iova: number, size: number, granule: number, leaf: boolean): void {
    this.#next = iova;
    this.#end = iova + size;
    this.num = 0;
    this.scale = 0;
    this.ttl = 0;
    this.tg = 0;
    this.bytes = granule;
    if (!this.#ranges) return;
    const shift = this.#pageShift;
    this.tg = (shift - 10) / 2;
    this.#pages = Math.floor(size / this.#page);
    if (leaf) {
      // A leaf of 2^n bytes stands at level 4 - (n - 3) / (bits per level), rounded down.
      this.ttl = 4 - Math.floor((Math.floor(Math.log2(granule)) - 3) / (shift - 3));
      // A granule that did not fit 32 bits has become 0 (Linux 7.3): no level.
      if (granule === 0) this.ttl = 0;
    } else if (this.#pages % MOST_UNITS === 1) {
      // NUM, SCALE and TTL all 0 is a reserved combination (section 4.4.1.1), so one more page is invalidated.
      this.#pages++;
    }
  }

  /** Sets the fields of the next command. @returns false when the range is covered. */
  next(): boolean {
    if (this.#next >= this.#end) return false;
    this.address = this.#next;
    if (this.#ranges) {
      let scale = 0;
      let units = this.#pages;
      if (this.#covering) {
        while (units > MOST_UNITS - 1) {
          units = Math.ceil(units / 2);
          scale++;
        }
      }
      while (units > 0 && units % 2 === 0) {
        units /= 2;
        scale++;
      }
      const taken = units % MOST_UNITS;
      this.scale = scale;
      this.num = taken - 1;
      this.bytes = rangeBytes(this.num, scale, this.tg);
      this.#pages -= taken * 2 ** scale;
    }
    this.#next += this.bytes;
    return true;
  }
}
