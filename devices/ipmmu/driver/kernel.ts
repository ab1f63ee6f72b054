import type { IoPgtable, IoPgtableFormat, TlbFlushOps } from '../../../formats/index.ts';
import type { DomainConfig } from '../../iommu.ts';

/** An address space as either kernel has it. */
export interface IpmmuSpace {
  readonly table: IoPgtable;
  /** Context of the root. */
  readonly context: number;
}

/** What the contract's driver needs of a kernel: Linux or Xen. */
export interface IpmmuKernel {
  /** The only format of its tables. */
  readonly format: IoPgtableFormat;
  /**
   * A context with a table.
   * @param tlb who is asked to maintain the TLB, with the space as its cookie
   * @returns null when every context is taken
   */
  create(asked: DomainConfig, tlb: TlbFlushOps): IpmmuSpace | null;
  attach(space: IpmmuSpace, streamId: number): void;
  /** What comes through the micro-TLB passes unchanged from here on. */
  detach(streamId: number): void;
  /** Flushes everything of a context and waits. */
  flush(space: IpmmuSpace): void;
  /** Frees context and table. */
  free(space: IpmmuSpace): void;
  /** @returns whether there was a fault */
  handleInterrupt(): boolean;
}
