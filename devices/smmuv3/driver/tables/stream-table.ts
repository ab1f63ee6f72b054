import { encodeInto } from '../../../../formats/index.ts';
import { L1_STREAM_TABLE_DESCRIPTOR, L1STD_BYTES, STE_BYTES, STRTAB_BASE_CFG } from '../../spec/index.ts';
import { type ProbedSmmu, STREAM_SPLIT } from '../start/index.ts';
import { abortEntry } from './entries.ts';
import { rewriteEntry, type SafeBits, usedOfStreamTableEntry } from './entry-writer.ts';
import type { StructureMemory } from './structure-memory.ts';

/** Largest L1 stream table. Linux `STRTAB_MAX_L1_ENTRIES`. */
const MOST_L1_BITS = 17;
/** Entries of a level 2 array: one PCI bus. Linux `STRTAB_NUM_L2_STES`. */
const ARRAY = 2 ** STREAM_SPLIT;

/**
 * The stream table in memory, as Linux builds it: two levels where the SMMU has them, level 2 arrays made when the first stream in
 * them appears, streams without a domain abort.
 *
 * The structures lie in coherent memory (dma_alloc_coherent), so they need no cache maintenance.
 */
export class StreamTable {
  /** Address of the table, and the value for STRTAB_BASE_CFG. */
  readonly base: number;
  readonly configuration: number;
  /** Streams that the table covers. */
  readonly streams: number;
  readonly #memory: StructureMemory;
  readonly #twoLevel: boolean;
  readonly #safeBits: SafeBits | undefined;
  /** Level 2 arrays by the upper bits of the StreamID. */
  readonly #arrays = new Map<number, number>();

  /** @param safeBits bits of an entry that may change at any moment */
  constructor(memory: StructureMemory, { features, twoLevelStreams }: ProbedSmmu, safeBits?: SafeBits) {
    this.#memory = memory;
    this.#twoLevel = twoLevelStreams;
    this.#safeBits = safeBits;
    const words = new Uint32Array(1);
    if (twoLevelStreams) {
      const l1Bits = Math.min(features.streamBits - STREAM_SPLIT, MOST_L1_BITS);
      this.streams = 2 ** (l1Bits + STREAM_SPLIT);
      this.base = memory.allocate(L1STD_BYTES * 2 ** l1Bits);
      encodeInto(STRTAB_BASE_CFG, words, 0, { FMT: 1, SPLIT: STREAM_SPLIT, LOG2SIZE: l1Bits + STREAM_SPLIT });
    } else {
      this.streams = 2 ** features.streamBits;
      this.base = memory.allocate(STE_BYTES * this.streams);
      encodeInto(STRTAB_BASE_CFG, words, 0, { LOG2SIZE: features.streamBits });
      this.#abortAll(this.base, this.streams);
    }
    this.configuration = words[0] as number;
  }

  /** Makes the entry of a stream ready to be used: its level 2 array, when that is not there. */
  prepare(streamId: number): void {
    const index = Math.floor(streamId / ARRAY);
    if (!this.#twoLevel || this.#arrays.has(index)) return;
    const array = this.#memory.allocate(STE_BYTES * ARRAY);
    this.#abortAll(array, ARRAY);
    this.#arrays.set(index, array);
    this.#memory.store(this.base + L1STD_BYTES * index, L1_STREAM_TABLE_DESCRIPTOR, {
      Span: STREAM_SPLIT + 1,
      L2Ptr: array,
    });
  }

  /** Address of a stream's entry; -1 before it was prepared. */
  address(streamId: number): number {
    if (!this.#twoLevel) return this.base + STE_BYTES * streamId;
    const array = this.#arrays.get(Math.floor(streamId / ARRAY));
    return array === undefined ? -1 : array + STE_BYTES * (streamId % ARRAY);
  }

  /** Makes the entry of a stream equal to `target`. @param changed called after each step: the SMMU must be told */
  write(streamId: number, target: Uint32Array, changed: () => void): void {
    rewriteEntry(this.#memory.view, this.address(streamId), target, usedOfStreamTableEntry, changed, this.#safeBits);
  }

  /** The SMMU does not look at these entries yet. */
  #abortAll(pa: number, count: number): void {
    const { view } = this.#memory;
    const abort = abortEntry();
    for (let i = 0; i < count; i++) view.words.set(abort, view.index(pa + STE_BYTES * i));
    view.written(pa, STE_BYTES * count);
  }
}
