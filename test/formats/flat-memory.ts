/** The smallest memory that page tables can be edited in: flat words from one address on, which grow. */
import type { TableMemory } from '../../formats/index.ts';

export class FlatMemory implements TableMemory {
  words = new Uint32Array(1024);
  readonly base: number;

  constructor(base: number) {
    this.base = base;
  }

  index(pa: number): number {
    const index = (pa - this.base) / 4;
    if (!(index >= 0 && index < 2 ** 26)) throw new RangeError(`no memory at 0x${pa.toString(16)}`);
    while (index >= this.words.length) {
      const grown = new Uint32Array(2 * this.words.length);
      grown.set(this.words);
      this.words = grown;
    }
    return index;
  }

  written(): void {}
}
