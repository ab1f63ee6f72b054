import type { StageRegime, TranslationRegime } from '../regime/index.ts';

/**
 * Who knows which tables a stream uses: the stream table and context descriptors of an SMMUv3, the context banks of an SMMUv2, the
 * address spaces of a Mali. A fetch is a small machine like a table walk, because it reads memory and that takes time.
 */
export interface ContextSource {
  /** A machine for one fetch at a time. An engine with many requests in flight asks for one each, once. */
  newFetch(): ContextFetch;
}

/** What a fetch wants next. */
export const ContextStatus = {
  /** Read the structure at `address` and call `step`. */
  READ: 1,
  /** `regime` is the answer. */
  DONE: 2,
  /** `fault` says why there is none. */
  FAULT: 3,
} as const;

export type ContextStatus = (typeof ContextStatus)[keyof typeof ContextStatus];

/** Which structure a fetch reads, for counters. */
export const ContextStructure = {
  /** Stream table entry, 64 bytes. */
  STREAM: 0,
  /** Level 1 stream table descriptor, 8 bytes. */
  STREAM_L1: 1,
  /** Context descriptor, 64 bytes. */
  CONTEXT: 2,
  /** Level 1 context descriptor, 8 bytes. */
  CONTEXT_L1: 3,
} as const;

export type ContextStructure = (typeof ContextStructure)[keyof typeof ContextStructure];

/** A resumable configuration fetch. */
export interface ContextFetch {
  /** Address of the structure to read (READ). */
  readonly address: number;
  /** Its size: 64 or 8 bytes. */
  readonly bytes: number;
  readonly structure: ContextStructure;
  /** Set when `address` is an intermediate physical address: this stage 2 translates it before the read. */
  readonly stage2: StageRegime | null;
  /** VMID of that stage 2. */
  readonly vmid: number;
  /** The answer (DONE). The same object for as long as the configuration is the same. */
  readonly regime: TranslationRegime | null;
  /**
   * Why the stream cannot be translated (FAULT): a number of the source's own, never 0. The SMMUv3 gives its event numbers
   * (IHI 0070 section 7.3), such as 0x02 C_BAD_STREAMID.
   */
  readonly fault: number;

  /** @param substreamId -1 for traffic without one */
  begin(streamId: number, substreamId: number): ContextStatus;
  /** The structure lies at physical address `pa`: reads it and goes on. */
  step(pa: number): ContextStatus;
}
