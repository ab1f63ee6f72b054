import { getField } from '../../../../formats/index.ts';
import { CD_BYTES, CD_WORDS, CONTEXT_DESCRIPTOR, L1_CONTEXT_DESCRIPTOR, L1CD_BYTES } from '../../spec/index.ts';
import { rewriteEntry, usedOfContextDescriptor } from './entry-writer.ts';
import type { StructureMemory } from './structure-memory.ts';

/** SubstreamID bits of a leaf table of context descriptors: 64 KiB. Linux `CTXDESC_L2_ENTRIES`. */
const SPLIT = 10;
const LEAF_BYTES = CD_BYTES * 2 ** SPLIT;
/** Most SubstreamID bits where descriptors cannot have two levels. Linux `CTXDESC_LINEAR_CDMAX`. */
export const LINEAR_CONTEXT_BITS = 10;

/** The context descriptors of one device: one table, linear up to 2^10 of them, beyond that with leaves made when they are needed. */
export class ContextTable {
  readonly bits: number;
  readonly base: number;
  /** Context descriptors of substreams other than 0 that are valid. */
  substreams = 0;
  readonly #memory: StructureMemory;
  /** Leaf tables by index; null for a linear table. */
  readonly #leaves: Map<number, number> | null;

  /** @param bits log2 of the descriptors */
  constructor(memory: StructureMemory, bits: number) {
    this.#memory = memory;
    this.bits = bits;
    this.#leaves = bits > SPLIT ? new Map() : null;
    this.base = memory.allocate(this.#size);
  }

  get twoLevel(): boolean {
    return this.#leaves !== null;
  }

  get #size(): number {
    return this.#leaves === null ? CD_BYTES * 2 ** this.bits : L1CD_BYTES * 2 ** (this.bits - SPLIT);
  }

  /** Gives the memory back. */
  free(): void {
    for (const leaf of this.#leaves?.values() ?? []) this.#memory.release(leaf, LEAF_BYTES);
    this.#memory.release(this.base, this.#size);
  }

  /** Makes the leaf table of a descriptor, unless it is there. @param changed called when the level above has changed */
  reserve(substreamId: number, changed: () => void): void {
    const index = Math.floor(substreamId / 2 ** SPLIT);
    if (this.#leaves === null || this.#leaves.has(index)) return;
    const leaf = this.#memory.allocate(LEAF_BYTES);
    this.#leaves.set(index, leaf);
    this.#memory.store(this.base + L1CD_BYTES * index, L1_CONTEXT_DESCRIPTOR, { V: 1, L2Ptr: leaf });
    // An invalid descriptor of the level above may be cached.
    changed();
  }

  /** Makes a descriptor equal to `target`; nothing to do where its leaf was never made. */
  write(substreamId: number, target: Uint32Array, changed: () => void): void {
    const pa = this.address(substreamId);
    if (pa < 0) return;
    const { view } = this.#memory;
    if (substreamId !== 0) {
      const valid = getField(target, 0, CONTEXT_DESCRIPTOR.V);
      this.substreams += valid - getField(view.words, view.index(pa), CONTEXT_DESCRIPTOR.V);
    }
    rewriteEntry(view, pa, target, usedOfContextDescriptor, changed);
  }

  /** Makes a descriptor invalid. */
  clear(substreamId: number, changed: () => void): void {
    this.write(substreamId, new Uint32Array(CD_WORDS), changed);
  }

  /** Address of a descriptor; -1 where its leaf was never made. */
  address(substreamId: number): number {
    if (this.#leaves === null) return this.base + CD_BYTES * substreamId;
    const leaf = this.#leaves.get(Math.floor(substreamId / 2 ** SPLIT));
    return leaf === undefined ? -1 : leaf + CD_BYTES * (substreamId % 2 ** SPLIT);
  }
}
