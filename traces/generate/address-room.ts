/** Addresses given out and taken back: the virtual addresses of one GPU client, or pages of physical memory. */
export class AddressRoom {
  #next: number;
  /** What was given back, by size: the youngest first, as allocators that reuse warm memory do. */
  readonly #free = new Map<number, number[]>();

  constructor(first: number) {
    this.#next = first;
  }

  /** `size` bytes at a multiple of `alignment`, a power of two. The same sizes should be asked for with the same alignment. */
  take(size: number, alignment: number): number {
    const again = this.#free.get(size)?.pop();
    if (again !== undefined) return again;
    const start = Math.ceil(this.#next / alignment) * alignment;
    this.#next = start + size;
    return start;
  }

  give(start: number, size: number): void {
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [start]);
    else list.push(start);
  }
}
