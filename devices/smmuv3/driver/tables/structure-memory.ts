import { ConfigError, encodeInto, type Layout, type TableMemory } from '../../../../formats/index.ts';

/** Coherent memory for the structures that driver and SMMU share (`dma_alloc_coherent`): what the driver takes, and how it looks at it. */
export interface CoherentMemory {
  /** The CPU's view. An SMMU that does not snoop must not have it cached. */
  readonly view: TableMemory;
  /** Zeroed memory, aligned to its size; negative when there is none. */
  allocate(bytes: number): number;
  release(pa: number, bytes: number): void;
}

/** Stores into structures, one doubleword at a time, as the SMMU may read them. */
export class StructureMemory {
  readonly view: TableMemory;
  readonly #memory: CoherentMemory;
  readonly #words = new Uint32Array(2);

  constructor(memory: CoherentMemory) {
    this.#memory = memory;
    this.view = memory.view;
  }

  /** Zeroed memory, aligned to its size. @throws ConfigError when there is none. */
  allocate(bytes: number): number {
    const pa = this.#memory.allocate(bytes);
    if (pa < 0) throw new ConfigError('memory.banks', bytes, 'enough RAM for the tables and queues of the SMMU');
    return pa;
  }

  release(pa: number, bytes: number): void {
    this.#memory.release(pa, bytes);
  }

  /** Stores a structure of 64 bits; fields that are not named become 0. */
  store<L extends Layout>(pa: number, layout: L, fields: Partial<Record<keyof L, number>>): void {
    encodeInto(layout, this.#words.fill(0), 0, fields);
    const at = this.view.index(pa);
    this.view.words.set(this.#words, at);
    this.view.written(pa, 8);
  }
}
