import type { SystemPages, TableMemory } from '../../../formats/index.ts';

/** RAM from address 0, as one array. */
export class FlatMemory implements TableMemory {
  readonly words: Uint32Array;

  constructor(bytes: number) {
    this.words = new Uint32Array(bytes / 4);
  }

  index(pa: number): number {
    return pa / 4;
  }

  written(): void {}

  isZero(pa: number, size: number): boolean {
    for (let i = pa / 4; i < (pa + size) / 4; i++) if (this.words[i] !== 0) return false;
    return true;
  }
}

/** A page allocator of a few lines: hands out dirty blocks, the one freed last first, and can run out. */
export class FakeSystem implements SystemPages {
  readonly memory: FlatMemory;
  /** Live blocks: address to size. */
  readonly live = new Map<number, number>();
  calls = 0;
  bulkCalls = 0;
  /** 100 for a call, 35 for each further block of a bulk call, 60 for a free. */
  cycles = 0;
  /** Blocks that may still be handed out. */
  left = Number.POSITIVE_INFINITY;
  #next = 0x10000;
  readonly #free = new Map<number, number[]>();

  constructor(memory: FlatMemory) {
    this.memory = memory;
  }

  alloc(size: number): number {
    this.calls++;
    this.cycles += 100;
    return this.#take(size);
  }

  allocBulk(size: number, count: number, _gfp: number, out: Float64Array, at: number): number {
    this.calls++;
    this.bulkCalls++;
    this.cycles += 100;
    for (let i = 0; i < count; i++) {
      const pa = this.#take(size);
      if (pa < 0) return i;
      if (i > 0) this.cycles += 35;
      out[at + i] = pa;
    }
    return count;
  }

  free(pa: number, size: number): void {
    if (this.live.get(pa) !== size) throw new Error(`bad free of 0x${pa.toString(16)}, ${size} bytes`);
    this.live.delete(pa);
    this.cycles += 60;
    this.left++;
    const list = this.#free.get(size) ?? [];
    list.push(pa);
    this.#free.set(size, list);
  }

  #take(size: number): number {
    if (this.left <= 0) return -1;
    this.left--;
    let pa = this.#free.get(size)?.pop();
    if (pa === undefined) {
      pa = Math.ceil(this.#next / size) * size;
      this.#next = pa + size;
    }
    this.live.set(pa, size);
    this.memory.words.fill(0xaaaaaaaa, pa / 4, (pa + size) / 4);
    return pa;
  }
}
