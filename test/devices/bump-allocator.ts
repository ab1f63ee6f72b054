import { NO_PAGES, type TableAllocator } from '../../formats/index.ts';

/** Memory handed out from the start of RAM upwards, never reused: every address is known. */
export class BumpAllocator implements TableAllocator {
  live = 0;
  #next: number;
  readonly #end: number;
  readonly #memory: { index(pa: number): number; readonly words: Uint32Array };

  constructor(memory: { index(pa: number): number; readonly words: Uint32Array }, base: number, size: number) {
    this.#memory = memory;
    this.#next = base;
    this.#end = base + size;
  }

  alloc(_cookie: unknown, size: number): number {
    const alignment = 2 ** Math.ceil(Math.log2(Math.max(size, 4096)));
    const pa = Math.ceil(this.#next / alignment) * alignment;
    if (pa + size > this.#end) return NO_PAGES;
    this.#next = pa + size;
    this.live++;
    for (let at = 0; at < size; at += 4096) {
      const index = this.#memory.index(pa + at);
      this.#memory.words.fill(0, index, index + 1024);
    }
    return pa;
  }

  free(): void {
    this.live--;
  }
}
