import {
  ConfigError,
  CPU_PAGE,
  encodeInto,
  Gfp,
  type Layout,
  NO_PAGES,
  type StageOneRegisters,
  type StageTwoRegisters,
  setField,
  type TableAllocator,
  type TableMemory,
} from '../../../formats/index.ts';
import type { Smmuv3Features } from '../spec/index.ts';
import {
  CD_BYTES,
  CD_WORDS,
  CONTEXT_DESCRIPTOR,
  ContextFormat,
  DefaultSubstream,
  Eats,
  L1_CONTEXT_DESCRIPTOR,
  L1_STREAM_TABLE_DESCRIPTOR,
  L1CD_BYTES,
  L1STD_BYTES,
  STE_BYTES,
  STE_WORDS,
  STREAM_TABLE_ENTRY,
  STRTAB_BASE_CFG,
  StreamConfig,
} from '../spec/index.ts';
import { rewriteEntry, usedOfContextDescriptor, usedOfStreamTableEntry } from './entry-writer.ts';

/** StreamID bits of the second level: one PCI bus per level 2 array. Linux `STRTAB_SPLIT`. */
const SPLIT = 8;
/** SubstreamID bits of a leaf table of context descriptors: 64 KiB. Linux `CTXDESC_L2_ENTRIES`. */
const CONTEXT_SPLIT = 10;
const CONTEXT_LEAF_BYTES = CD_BYTES * 2 ** CONTEXT_SPLIT;
/** Most bits of a linear context descriptor table: 64 KiB. */
const CONTEXT_LINEAR_BITS = 10;
/** Largest L1 stream table. Linux `STRTAB_MAX_L1_ENTRIES`. */
const MOST_L1_BITS = 17;

/** Attributes of structures in write-back cacheable, inner shareable memory. */
const FETCH = { S1CIR: 1, S1COR: 1, S1CSH: 3 } as const;

/**
 * The stream table and the context descriptors in memory, as Linux 6.12's arm-smmu-v3 builds them: two levels where the SMMU has
 * them, level 2 arrays made when the first stream in them appears, streams without a domain abort.
 *
 * The structures lie in coherent memory (dma_alloc_coherent), so they need no cache maintenance.
 */
export class DriverTables {
  /** Stream table: address, and the value for STRTAB_BASE_CFG. */
  readonly base: number;
  readonly configuration: number;
  readonly #features: Smmuv3Features;
  readonly #memory: TableMemory;
  readonly #pages: TableAllocator;
  readonly #twoLevel: boolean;
  readonly #streams: number;
  /** Level 2 arrays by the upper bits of the StreamID. */
  readonly #arrays = new Map<number, number>();
  /** Context descriptor tables by StreamID. */
  readonly #contexts = new Map<number, ContextTable>();

  /**
   * @param memory the CPU's view of coherent memory
   * @param pages where it comes from
   */
  constructor(features: Smmuv3Features, memory: TableMemory, pages: TableAllocator) {
    this.#features = features;
    this.#memory = memory;
    this.#pages = pages;
    this.#twoLevel = features.twoLevelStreams && features.streamBits > SPLIT;
    const words = new Uint32Array(1);
    if (this.#twoLevel) {
      const l1Bits = Math.min(features.streamBits - SPLIT, MOST_L1_BITS);
      this.#streams = 2 ** (l1Bits + SPLIT);
      this.base = this.allocate(L1STD_BYTES * 2 ** l1Bits);
      encodeInto(STRTAB_BASE_CFG, words, 0, { FMT: 1, SPLIT, LOG2SIZE: l1Bits + SPLIT });
    } else {
      this.#streams = 2 ** features.streamBits;
      this.base = this.allocate(STE_BYTES * this.#streams);
      encodeInto(STRTAB_BASE_CFG, words, 0, { LOG2SIZE: features.streamBits });
      for (let stream = 0; stream < this.#streams; stream++) this.#abort(this.base + STE_BYTES * stream);
    }
    this.configuration = words[0] as number;
  }

  /** Zeroed coherent memory, aligned to its size. @throws ConfigError when there is none. */
  allocate(size: number): number {
    const pa = this.#pages.alloc(null, Math.max(size, CPU_PAGE), Gfp.KERNEL | Gfp.ZERO);
    if (pa === NO_PAGES)
      throw new ConfigError('memory.banks', size, 'enough RAM for the tables and queues of the SMMU');
    return pa;
  }

  /** Address of a stream's entry; its level 2 array is made when it is not there. @throws ConfigError for a StreamID out of range. */
  entry(streamId: number): number {
    if (!(streamId >= 0 && streamId < this.#streams)) {
      throw new ConfigError('streamId', streamId, `0 to ${this.#streams - 1}, the streams of the SMMU`);
    }
    if (!this.#twoLevel) return this.base + STE_BYTES * streamId;
    const index = Math.floor(streamId / 2 ** SPLIT);
    let array = this.#arrays.get(index);
    if (array === undefined) {
      array = this.allocate(STE_BYTES * 2 ** SPLIT);
      for (let i = 0; i < 2 ** SPLIT; i++) this.#abort(array + STE_BYTES * i);
      this.#arrays.set(index, array);
      this.#store(L1_STREAM_TABLE_DESCRIPTOR, this.base + L1STD_BYTES * index, L1STD_BYTES, {
        Span: SPLIT + 1,
        L2Ptr: array,
      });
    }
    return array + STE_BYTES * (streamId % 2 ** SPLIT);
  }

  /**
   * Stage 1: the stream uses its context descriptors, which {@link reserveContexts} has made.
   * @param changed called after each step of the change: the SMMU must be told (CFGI) and waited for (SYNC)
   * @param options.defaultSubstream what traffic without a SubstreamID does, a value of `DefaultSubstream`
   */
  attachStage1(streamId: number, changed: () => void, { stalls, ats, defaultSubstream }: StageOneOptions): void {
    const table = this.#contextTable(streamId);
    this.#writeStream(streamId, changed, {
      V: 1,
      Config: StreamConfig.STAGE1,
      S1Fmt: table.leaves === null ? ContextFormat.LINEAR : ContextFormat.TWO_LEVEL_64K,
      S1ContextPtr: table.base,
      S1CDMax: table.bits,
      S1DSS: defaultSubstream,
      ...FETCH,
      S1STALLD: Number(this.#features.stallModel === 0 && !stalls),
      EATS: ats ? Eats.FULL : Eats.REFUSED,
    });
  }

  /**
   * Stage 2, alone or below a stage 1 of the stream's own.
   * @param options.contextTable intermediate physical address of the one context descriptor, which a guest has written; null
   * without stage 1
   */
  attachStage2(
    streamId: number,
    vmid: number,
    { vttbr, vtcr }: StageTwoRegisters,
    changed: () => void,
    { contextTable = null, stalls = false, ats = false }: StageTwoOptions = {},
  ): void {
    const nested = contextTable !== null;
    this.#writeStream(streamId, changed, {
      V: 1,
      Config: nested ? StreamConfig.NESTED : StreamConfig.STAGE2,
      ...(nested ? { S1ContextPtr: contextTable, S1DSS: DefaultSubstream.SUBSTREAM_0, ...FETCH } : {}),
      S1STALLD: Number(nested && this.#features.stallModel === 0 && !stalls),
      EATS: ats ? Eats.FULL : Eats.REFUSED,
      S2VMID: vmid,
      S2T0SZ: vtcr.tsz,
      S2SL0: vtcr.sl,
      S2IR0: vtcr.irgn,
      S2OR0: vtcr.orgn,
      S2SH0: vtcr.sh,
      S2TG: vtcr.tg,
      S2PS: vtcr.ps,
      S2AA64: 1,
      S2PTW: 1,
      S2S: Number(stalls || this.#features.stallModel === 2),
      S2R: 1,
      S2TTB: vttbr,
    });
  }

  /**
   * Everything passes through. SHCFG stays 0, here and in stage 2: Linux sets it ("as the transaction") only where
   * IDR1.ATTR_TYPES_OVR gives it a meaning, which no SMMU here offers.
   */
  attachBypass(streamId: number, changed: () => void): void {
    this.#writeStream(streamId, changed, { V: 1, Config: StreamConfig.BYPASS });
  }

  /** Everything is aborted: the state of a stream without a domain. */
  detach(streamId: number, changed: () => void): void {
    this.#writeStream(streamId, changed, { V: 1 });
  }

  /**
   * Writes the context descriptor of a stream's substream (0 also serves traffic without one). One half is on, the other off.
   * @param options.upper the registers are of the upper half (TTBR1)
   */
  writeContext(
    streamId: number,
    substreamId: number,
    asid: number,
    { tcr, mairLow, mairHigh, ttbr }: StageOneRegisters,
    changed: () => void,
    { upper = false, stalls = false, tracksDirty = false }: ContextOptions = {},
  ): void {
    const half = upper
      ? { T1SZ: tcr.tsz, TG1: tcr.tg, IR1: tcr.irgn, OR1: tcr.orgn, SH1: tcr.sh, EPD0: 1, TTB1: ttbr }
      : { T0SZ: tcr.tsz, TG0: tcr.tg, IR0: tcr.irgn, OR0: tcr.orgn, SH0: tcr.sh, EPD1: 1, TTB0: ttbr };
    this.#writeContext(this.#context(streamId, substreamId), changed, {
      V: 1,
      ...half,
      IPS: tcr.ips,
      AA64: 1,
      // Marking pages dirty rests on setting the access flag.
      HA: Number(tracksDirty),
      HD: Number(tracksDirty),
      S: Number(stalls || this.#features.stallModel === 2),
      R: 1,
      A: 1,
      ASET: 1,
      ASID: asid,
      MAIR0: mairLow >>> 0,
      MAIR1: mairHigh >>> 0,
    });
  }

  /** log2 of a stream's context descriptors; null where it has none. */
  contextBits(streamId: number): number | null {
    return this.#contexts.get(streamId)?.bits ?? null;
  }

  /** Makes a stream's table of 2^bits context descriptors. One of another size goes away: no entry may point to it. */
  reserveContexts(streamId: number, bits: number): void {
    const known = this.#contexts.get(streamId);
    if (known?.bits === bits) return;
    const twoLevel = bits > CONTEXT_LINEAR_BITS && this.#features.twoLevelContexts;
    const size = twoLevel ? L1CD_BYTES * 2 ** (bits - CONTEXT_SPLIT) : CD_BYTES * 2 ** bits;
    const table: ContextTable = { bits, base: this.allocate(size), size, leaves: twoLevel ? new Map() : null };
    this.#contexts.set(streamId, table);
    if (known === undefined) return;
    for (const leaf of known.leaves?.values() ?? []) this.#free(leaf, CONTEXT_LEAF_BYTES);
    this.#free(known.base, known.size);
  }

  /** Makes the leaf table of a context descriptor, unless it is there. @param changed called when the level above has changed */
  reserveContext(streamId: number, substreamId: number, changed: () => void): void {
    const { base, leaves } = this.#contextTable(streamId);
    const index = Math.floor(substreamId / 2 ** CONTEXT_SPLIT);
    if (leaves === null || leaves.has(index)) return;
    const leaf = this.allocate(CONTEXT_LEAF_BYTES);
    leaves.set(index, leaf);
    this.#store(L1_CONTEXT_DESCRIPTOR, base + L1CD_BYTES * index, L1CD_BYTES, { V: 1, L2Ptr: leaf });
    // An invalid descriptor of the level above may be cached.
    changed();
  }

  /** Makes a context descriptor invalid; nothing to do where there is none. */
  clearContext(streamId: number, substreamId: number, changed: () => void): void {
    const table = this.#contexts.get(streamId);
    const leaf = table?.leaves?.get(Math.floor(substreamId / 2 ** CONTEXT_SPLIT));
    if (table === undefined || (table.leaves !== null && leaf === undefined)) return;
    this.#writeContext(this.#context(streamId, substreamId), changed, {});
  }

  #contextTable(streamId: number): ContextTable {
    const table = this.#contexts.get(streamId);
    if (table === undefined) throw new ConfigError('streamId', streamId, 'a stream with context descriptors');
    return table;
  }

  /** Address of a context descriptor that was reserved. */
  #context(streamId: number, substreamId: number): number {
    const { base, leaves } = this.#contextTable(streamId);
    if (leaves === null) return base + CD_BYTES * substreamId;
    const leaf = leaves.get(Math.floor(substreamId / 2 ** CONTEXT_SPLIT));
    if (leaf === undefined) throw new ConfigError('substreamId', substreamId, 'a substream with a context descriptor');
    return leaf + CD_BYTES * (substreamId % 2 ** CONTEXT_SPLIT);
  }

  /** Gives back what {@link allocate} gave for the same size. */
  #free(pa: number, size: number): void {
    this.#pages.free(null, pa, Math.max(size, CPU_PAGE));
  }

  #abort(pa: number): void {
    const at = this.#memory.index(pa);
    this.#memory.words.fill(0, at, at + STE_WORDS);
    setField(this.#memory.words, at, STREAM_TABLE_ENTRY.V, 1);
    this.#memory.written(pa, STE_BYTES);
  }

  /** Changes a live stream table entry; fields that are not named become 0. */
  #writeStream(streamId: number, changed: () => void, fields: Fields<typeof STREAM_TABLE_ENTRY>): void {
    const target = new Uint32Array(STE_WORDS);
    encodeInto(STREAM_TABLE_ENTRY, target, 0, fields);
    rewriteEntry(this.#memory, this.entry(streamId), target, usedOfStreamTableEntry, changed);
  }

  /** Changes a live context descriptor; fields that are not named become 0. */
  #writeContext(pa: number, changed: () => void, fields: Fields<typeof CONTEXT_DESCRIPTOR>): void {
    const target = new Uint32Array(CD_WORDS);
    encodeInto(CONTEXT_DESCRIPTOR, target, 0, fields);
    rewriteEntry(this.#memory, pa, target, usedOfContextDescriptor, changed);
  }

  /** Stores a whole structure; fields that are not named become 0. */
  #store<L extends Layout>(layout: L, pa: number, bytes: number, fields: Partial<Record<keyof L, number>>): void {
    const at = this.#memory.index(pa);
    this.#memory.words.fill(0, at, at + bytes / 4);
    encodeInto(layout, this.#memory.words, at, fields);
    this.#memory.written(pa, bytes);
  }
}

/** Values for the fields of a structure. */
type Fields<L extends Layout> = Partial<Record<keyof L, number>>;

/** A stream's context descriptors. */
interface ContextTable {
  /** log2 of the descriptors. */
  readonly bits: number;
  readonly base: number;
  /** Bytes at `base`. */
  readonly size: number;
  /** Leaf tables by index; null for a linear table. */
  readonly leaves: Map<number, number> | null;
}

/** What a context descriptor holds besides its table's registers. */
export interface ContextOptions {
  /** The table is the upper half (TTBR1). */
  readonly upper?: boolean;
  /** Faults stall. */
  readonly stalls?: boolean;
  /** Hardware sets the access flag and marks pages dirty. */
  readonly tracksDirty?: boolean;
}

/** What a stream table entry with stage 1 holds besides the place of its context descriptors. */
interface StageOneOptions {
  readonly stalls: boolean;
  readonly ats: boolean;
  readonly defaultSubstream: number;
}

/** What a stream table entry with stage 2 holds besides its table's registers. */
interface StageTwoOptions {
  readonly contextTable?: number | null;
  readonly stalls?: boolean;
  readonly ats?: boolean;
}
