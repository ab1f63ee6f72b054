/**
 * Numbers the streams and address spaces that an MMU has met, densely from 0, so that TLB tags are small integers and no identifier
 * of 32 + 20 bits is compared on the way of a translation.
 */

/** Most numbers a tag can hold (18 bits of the high tag word). */
const LIMIT = 262144;

/** Substream IDs have 20 bits; -1 stands for none. */
const SUBSTREAMS = 2097152;

export class TagTable {
  /** Identifier pair of each number: stream and substream, or ASID and VMID. */
  readonly first: number[] = [];
  readonly second: number[] = [];
  readonly #numbers = new Map<number, number>();
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  get size(): number {
    return this.first.length;
  }

  /** The number of a pair, given out on first sight. */
  numberOf(first: number, second: number): number {
    const key = first * SUBSTREAMS + second + 1;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.first.length;
    if (number >= LIMIT) throw new RangeError(`more than ${LIMIT} ${this.#what} in one MMU`);
    this.first.push(first);
    this.second.push(second);
    this.#numbers.set(key, number);
    return number;
  }

  /** The number of a pair, or -1 when it was never met. */
  find(first: number, second: number): number {
    return this.#numbers.get(first * SUBSTREAMS + second + 1) ?? -1;
  }
}
