import { BLOCK, BLOCK_SPAN, PAGE, PAGES, SHUFFLED } from './span.ts';

/** The least that could be done: two words per PTE stored, zeroed, or read. */
export class LeastStores {
  readonly words = new Uint32Array(2 * PAGES);
  /** Keeps the reads from being optimised away. */
  readonly sum = new Float64Array(1);

  store(): void {
    const { words } = this;
    for (let i = 0, low = 3; i < words.length; i += 2, low = (low + PAGE) | 0) {
      words[i] = low;
      words[i + 1] = 0x10;
    }
  }

  clear(): void {
    const { words } = this;
    for (let i = 0; i < words.length; i += 2) {
      words[i] = 0;
      words[i + 1] = 0;
    }
  }

  storeBlocks(): void {
    const { words } = this;
    for (let i = 0, low = 1; i < (2 * BLOCK_SPAN) / BLOCK; i += 2, low = (low + BLOCK) | 0) {
      words[i] = low;
      words[i + 1] = 0x10;
    }
  }

  readShuffled(): void {
    const { words } = this;
    let sum = 0;
    for (let i = 0; i < PAGES; i++) {
      const at = 2 * (SHUFFLED[i] as number);
      sum += (words[at + 1] as number) * 2 ** 32 + (words[at] as number);
    }
    this.sum[0] = sum;
  }

  storeShuffled(): void {
    const { words } = this;
    for (let i = 0; i < PAGES; i++) {
      const at = 2 * (SHUFFLED[i] as number);
      words[at] = i;
      words[at + 1] = 0x10;
    }
  }

  read(): void {
    const { words } = this;
    let sum = 0;
    for (let i = 0; i < words.length; i += 2) sum += (words[i + 1] as number) * 2 ** 32 + (words[i] as number);
    this.sum[0] = sum;
  }
}
