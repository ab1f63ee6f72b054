import type { IoPgtable, PageCutter } from '../../formats/index.ts';
import type { RangeCover } from './range-cover.ts';

/** Which translation stage a domain's table is. */
export type DomainStage = 'stage-1' | 'stage-2';

/** An address space: one table, its tag in the TLBs, and the streams that use it. Made by `Smmuv3Driver.createDomain`. */
export interface Smmuv3Domain {
  readonly table: IoPgtable;
  readonly stage: DomainStage;
  /** ASID of a stage 1, VMID of a stage 2. */
  readonly tag: number;
  /** The table is the upper half (TTBR1). */
  readonly upper: boolean;
  /** Streams attached, with their substream (0 for none). */
  readonly streams: Map<number, number>;
  /** Page sizes of the table. */
  readonly cutter: PageCutter;
  readonly cover: RangeCover;
  /** Bytes that the last map mapped. */
  mapped: number;
}
