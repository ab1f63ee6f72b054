/**
 * The configuration lookup of an SMMUv3: from a StreamID and SubstreamID through the stream table and the context descriptor
 * table to a translation regime (Arm IHI 0070, sections 3.3.1 to 3.3.3 and 3.9). Each lookup is a resumable machine that asks for one
 * structure at a time, so that the MMU's engine decides when a read happens and what it costs.
 */
import {
  type ContextFetch,
  type ContextSource,
  ContextStatus,
  ContextStructure,
  type StageRegime,
  type TranslationRegime,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { GRANULE_SHIFT_TG0, getField } from '../../../formats/index.ts';
import type { Smmuv3Features } from '../spec/index.ts';
import {
  CD_BYTES,
  CD_WORDS,
  type ContextDescriptor,
  ContextFormat,
  contextDescriptorFault,
  DefaultSubstream,
  EventId,
  hasStage1,
  hasStage2,
  L1_CONTEXT_DESCRIPTOR,
  L1_STREAM_TABLE_DESCRIPTOR,
  L1CD_BYTES,
  L1STD_BYTES,
  readContextDescriptor,
  readStreamTableEntry,
  STE_BYTES,
  STE_WORDS,
  StreamConfig,
  type StreamTableEntry,
  streamTableEntryFault,
} from '../spec/index.ts';
import { stage2Regime, streamRegime } from './regime.ts';

/** Not an event number: the stream table entry says abort, and nothing is recorded. */
export const STREAM_ABORTED = 0x100;

/** Where the stream table is: STRTAB_BASE and STRTAB_BASE_CFG, decoded. */
export interface StreamTable {
  readonly base: number;
  readonly twoLevel: boolean;
  /** StreamIDs below 2^log2Size exist. */
  readonly log2Size: number;
  /** StreamID bits that the second level resolves. */
  readonly split: number;
}

/** What a lookup found, kept so that an unchanged configuration gives the same regime object again. */
export interface StreamContext {
  readonly ste: StreamTableEntry;
  /** null when stage 1 is off or bypassed. */
  readonly cd: ContextDescriptor | null;
  readonly regime: TranslationRegime;
  /** The words that it was decoded from: stream table entry, then context descriptor. */
  readonly words: Uint32Array;
}

/** A regime that translates nothing: addresses come out as they went in. */
const BYPASS: TranslationRegime = { stage1: null, stage2: null, asid: 0, vmid: 0 };

export class StreamContexts implements ContextSource {
  /** The registers' part; replaced by the device when they are written. */
  table: StreamTable = { base: 0, twoLevel: false, log2Size: 0, split: 8 };
  /** CR2.E2H. */
  e2h = false;
  /** Stream table entry of the last lookup, also of one that failed later on; null when it had none. */
  lastEntry: StreamTableEntry | null = null;
  readonly features: Smmuv3Features;
  readonly memory: WalkMemory;
  /**
   * Structures are taken as gem5 takes them: of the fields that the architecture wants checked only V is, TTBR1 is left unread. Images
   * made for it are not what the architecture asks for (TG1 reserved without EPD1, S2SL0 and S2PS left at 0).
   */
  lenient = false;
  /** Input address sizes, in bits, of the upper halves (TTBR1) met so far. */
  readonly upperInputBits = new Set<number>();
  /** Why the last structure was refused, in words; null when none was. */
  refusal: string | null = null;
  /** Physical address of the last structure whose read was aborted. */
  abortedAddress = 0;
  readonly #known = new Map<number, StreamContext>();
  readonly #resolver: StreamFetch;

  constructor(memory: WalkMemory, features: Smmuv3Features) {
    this.memory = memory;
    this.features = features;
    this.#resolver = new StreamFetch(this);
  }

  newFetch(): ContextFetch {
    return new StreamFetch(this);
  }

  /** What the last lookup of this stream and substream (-1: none) found; undefined before the first that succeeded. */
  known(streamId: number, substreamId: number): StreamContext | undefined {
    return this.#known.get(contextKey(streamId, substreamId));
  }

  /** Remembers what a lookup found. @returns what was known before, when the words are the same. */
  intern(streamId: number, substreamId: number, words: Uint32Array, build: () => StreamContext): StreamContext {
    const key = contextKey(streamId, substreamId);
    const before = this.#known.get(key);
    if (before?.words.every((word, i) => word === words[i])) return before;
    const context = build();
    const upper = context.regime.stage1?.root1 ?? null;
    if (upper !== null) this.upperInputBits.add(upper.inputBits);
    this.#known.set(key, context);
    return context;
  }

  /**
   * Looks a stream up at once, without the MMU and without cost, as a debugger would.
   * @param resolve physical address of an intermediate physical address, -1 where it has none; used for nested streams only
   * @returns the regime, or the event number (or {@link STREAM_ABORTED}) that refused it
   */
  lookUp(
    streamId: number,
    substreamId: number,
    resolve: (ipa: number, stage2: StageRegime) => number = () => -1,
  ): TranslationRegime | number {
    const fetch = this.#resolver;
    let status = fetch.begin(streamId, substreamId);
    while (status === ContextStatus.READ) {
      const pa = fetch.stage2 === null ? fetch.address : resolve(fetch.address, fetch.stage2);
      if (pa < 0) return EventId.F_TRANSLATION;
      status = fetch.step(pa);
    }
    return fetch.regime ?? fetch.fault;
  }
}

/** One number for a stream and a substream, -1 for none. */
function contextKey(streamId: number, substreamId: number): number {
  return streamId * 2 ** 20 + substreamId + 1;
}

/** Which structure the fetch waits for. */
const Step = { STREAM_L1: 0, STREAM: 1, CONTEXT_L1: 2, CONTEXT: 3 } as const;

class StreamFetch implements ContextFetch {
  address = 0;
  bytes = STE_BYTES;
  structure: ContextStructure = ContextStructure.STREAM;
  stage2: StageRegime | null = null;
  vmid = 0;
  regime: TranslationRegime | null = null;
  fault = 0;

  readonly #source: StreamContexts;
  /** Stream table entry, then context descriptor, as read. */
  readonly #words = new Uint32Array(STE_WORDS + CD_WORDS);
  #streamId = 0;
  #substreamId = -1;
  #step: number = Step.STREAM;
  #ste: StreamTableEntry | null = null;

  constructor(source: StreamContexts) {
    this.#source = source;
  }

  begin(streamId: number, substreamId: number): ContextStatus {
    const { table } = this.#source;
    this.#source.refusal = null;
    this.#streamId = streamId;
    this.#substreamId = substreamId;
    this.#ste = null;
    this.#source.lastEntry = null;
    this.stage2 = null;
    this.vmid = 0;
    this.regime = null;
    this.fault = 0;
    if (streamId >= 2 ** table.log2Size)
      return this.#refuse(EventId.C_BAD_STREAMID, 'outside STRTAB_BASE_CFG.LOG2SIZE');
    if (!table.twoLevel) return this.#readStream(tableBase(table.base, STE_BYTES * 2 ** table.log2Size), streamId);
    const entries = 2 ** Math.max(0, table.log2Size - table.split);
    const index = Math.floor(streamId / 2 ** table.split);
    this.#step = Step.STREAM_L1;
    return this.#read(tableBase(table.base, L1STD_BYTES * entries) + L1STD_BYTES * index, ContextStructure.STREAM_L1);
  }

  step(pa: number): ContextStatus {
    switch (this.#step) {
      case Step.STREAM_L1:
        return this.#stepStreamL1(pa);
      case Step.STREAM:
        return this.#stepStream(pa);
      case Step.CONTEXT_L1:
        return this.#stepContextL1(pa);
      default:
        return this.#stepContext(pa);
    }
  }

  #stepStreamL1(pa: number): ContextStatus {
    if (!this.#load(pa, 0, 2)) return this.#abort(EventId.F_STE_FETCH, pa);
    const { split } = this.#source.table;
    const span = getField(this.#words, 0, L1_STREAM_TABLE_DESCRIPTOR.Span);
    if (span === 0 || span > split + 1) return this.#refuse(EventId.C_BAD_STREAMID, 'L1STD.Span is 0 or too large');
    const entries = 2 ** (span - 1);
    const index = this.#streamId % 2 ** split;
    if (index >= entries) return this.#refuse(EventId.C_BAD_STREAMID, 'outside L1STD.Span');
    const base = getField(this.#words, 0, L1_STREAM_TABLE_DESCRIPTOR.L2Ptr);
    return this.#readStream(tableBase(base, STE_BYTES * entries), index);
  }

  #readStream(base: number, index: number): ContextStatus {
    this.#step = Step.STREAM;
    return this.#read(base + STE_BYTES * index, ContextStructure.STREAM);
  }

  #stepStream(pa: number): ContextStatus {
    const { features } = this.#source;
    if (!this.#load(pa, 0, STE_WORDS)) return this.#abort(EventId.F_STE_FETCH, pa);
    let ste = readStreamTableEntry(this.#words, 0);
    if (this.#source.lenient) ste = asGem5Reads(ste);
    const reason = streamTableEntryFault(ste, features);
    if (reason !== null && !(this.#source.lenient && ste.V !== 0)) return this.#refuse(EventId.C_BAD_STE, reason);
    this.#ste = ste;
    this.#source.lastEntry = ste;
    if (ste.Config < StreamConfig.BYPASS) return this.#refuse(STREAM_ABORTED, 'Config is abort');
    const withSubstream = this.#substreamId >= 0;
    if (!hasStage1(ste)) {
      if (withSubstream) return this.#refuse(EventId.C_BAD_SUBSTREAMID, 'a SubstreamID without stage 1');
      return this.#finish(ste, null);
    }
    if (withSubstream) {
      if (ste.S1CDMax === 0 || this.#substreamId >= 2 ** ste.S1CDMax) {
        return this.#refuse(EventId.C_BAD_SUBSTREAMID, 'the SubstreamID is outside S1CDMax');
      }
      if (ste.S1DSS === DefaultSubstream.SUBSTREAM_0 && this.#substreamId === 0) {
        return this.#refuse(EventId.F_STREAM_DISABLED, 'SubstreamID 0 is kept for traffic without one');
      }
    } else if (ste.S1CDMax > 0) {
      if (ste.S1DSS === DefaultSubstream.BYPASS) return this.#finish(ste, null);
      if (ste.S1DSS !== DefaultSubstream.SUBSTREAM_0) {
        return this.#refuse(EventId.F_STREAM_DISABLED, 'traffic without a SubstreamID is disabled');
      }
    }
    if (hasStage2(ste)) {
      // The context descriptor lies at an intermediate physical address.
      this.stage2 = stage2Regime(ste, features);
      this.vmid = ste.S2VMID;
    }
    return this.#readContextTable(ste, withSubstream ? this.#substreamId : 0);
  }

  #readContextTable(ste: StreamTableEntry, index: number): ContextStatus {
    const leafBits = contextLeafBits(ste);
    if (leafBits === 0) return this.#readContext(tableBase(ste.S1ContextPtr, CD_BYTES * 2 ** ste.S1CDMax), index);
    const entries = 2 ** Math.max(0, ste.S1CDMax - leafBits);
    this.#step = Step.CONTEXT_L1;
    const base = tableBase(ste.S1ContextPtr, L1CD_BYTES * entries);
    return this.#read(base + L1CD_BYTES * Math.floor(index / 2 ** leafBits), ContextStructure.CONTEXT_L1);
  }

  #stepContextL1(pa: number): ContextStatus {
    const ste = this.#ste;
    if (ste === null || !this.#load(pa, STE_WORDS, 2)) return this.#abort(EventId.F_CD_FETCH, pa);
    if (getField(this.#words, STE_WORDS, L1_CONTEXT_DESCRIPTOR.V) === 0) {
      return this.#refuse(EventId.C_BAD_SUBSTREAMID, 'L1CD.V is 0');
    }
    const leafBits = contextLeafBits(ste);
    const base = getField(this.#words, STE_WORDS, L1_CONTEXT_DESCRIPTOR.L2Ptr);
    return this.#readContext(tableBase(base, CD_BYTES * 2 ** leafBits), Math.max(0, this.#substreamId) % 2 ** leafBits);
  }

  #readContext(base: number, index: number): ContextStatus {
    this.#step = Step.CONTEXT;
    return this.#read(base + CD_BYTES * index, ContextStructure.CONTEXT);
  }

  #stepContext(pa: number): ContextStatus {
    const ste = this.#ste;
    if (ste === null || !this.#load(pa, STE_WORDS, CD_WORDS)) return this.#abort(EventId.F_CD_FETCH, pa);
    const cd = readContextDescriptor(this.#words, STE_WORDS);
    if (this.#source.lenient && cd.V !== 0) return this.#finish(ste, { ...cd, EPD1: 1 });
    const reason = contextDescriptorFault(cd, this.#source.features, ste.S1STALLD === 0);
    if (reason !== null) return this.#refuse(EventId.C_BAD_CD, reason);
    return this.#finish(ste, cd);
  }

  #finish(ste: StreamTableEntry, cd: ContextDescriptor | null): ContextStatus {
    // Words of a descriptor that was not read must not make two equal configurations differ.
    if (cd === null) this.#words.fill(0, STE_WORDS);
    const { features, e2h } = this.#source;
    const build = (): StreamContext => ({
      ste,
      cd,
      regime: cd === null && !hasStage2(ste) ? BYPASS : streamRegime(ste, cd, features, e2h),
      words: this.#words.slice(),
    });
    this.regime = this.#source.intern(this.#streamId, this.#substreamId, this.#words, build).regime;
    return ContextStatus.DONE;
  }

  #read(address: number, structure: ContextStructure): ContextStatus {
    this.address = address;
    this.structure = structure;
    this.bytes =
      structure === ContextStructure.STREAM || structure === ContextStructure.CONTEXT ? STE_BYTES : L1STD_BYTES;
    return ContextStatus.READ;
  }

  /** Reads `count` words at `pa` into the fetch's words from `at` on. @returns false when the bus refuses. */
  #load(pa: number, at: number, count: number): boolean {
    const { memory } = this.#source;
    for (let i = 0; i < count; i += 2) {
      if (!memory.read(pa + 4 * i, 8)) return false;
      this.#words[at + i] = memory.low;
      this.#words[at + i + 1] = memory.high;
    }
    return true;
  }

  #abort(event: number, pa: number): ContextStatus {
    this.#source.abortedAddress = pa;
    return this.#refuse(event, 'the read of the structure was aborted');
  }

  #refuse(fault: number, reason: string): ContextStatus {
    this.fault = fault;
    this.#source.refusal = reason;
    return ContextStatus.FAULT;
  }
}

/** log2 of the descriptors in a leaf table of context descriptors; 0 for a linear table. */
function contextLeafBits(ste: StreamTableEntry): number {
  if (ste.S1CDMax === 0) return 0;
  if (ste.S1Fmt === ContextFormat.TWO_LEVEL_4K) return 6;
  return ste.S1Fmt === ContextFormat.TWO_LEVEL_64K ? 10 : 0;
}

/** Tables are aligned to their size, and at least to 64 bytes: lower base bits are ignored (section 3.3.4, 6.3.24). */
export function tableBase(base: number, bytes: number): number {
  const alignment = Math.max(64, bytes);
  return Math.floor(base / alignment) * alignment;
}

/** An entry as gem5 reads it: the first level of stage 2 follows from S2T0SZ alone, and S2PS is not looked at. */
function asGem5Reads(ste: StreamTableEntry): StreamTableEntry {
  const granuleShift = GRANULE_SHIFT_TG0[ste.S2TG] ?? 12;
  const levels = Math.ceil((64 - ste.S2T0SZ - granuleShift) / (granuleShift - 3));
  return { ...ste, S2SL0: levels - (granuleShift === 12 ? 2 : 1), S2PS: 5 };
}
