/** What panfrost needs from the outside. */
import type { IoPgtableConfig } from '../../../../formats/index.ts';
import type { RegisterPort } from '../../../registers/index.ts';
import type { EditedTable } from '../edited-table.ts';
import type { Segment } from '../scatter-list.ts';

/** What the driver knows of its GPU before it touches it. */
export interface MaliFeatures {
  /** GPU_AS_PRESENT. */
  readonly asPresent: number;
  /** From GPU_MMU_FEATURES. */
  readonly vaBits: number;
  readonly paBits: number;
  /** The bus snoops the CPU's caches. */
  readonly coherent: boolean;
  /** The MMU knows atomic accesses (`HW_FEATURE_AARCH64_MMU`); only messages depend on it. */
  readonly aarch64Mmu: boolean;
  /** The SoC needs AArch64 tables. Has no effect where the driver does not offer them. */
  readonly aarch64Tables: boolean;
}

/** Warnings, by what is wrong. */
export type PanfrostWarning =
  /** More users of one address space than there are job slots and a performance counter. */
  | 'too-many-users'
  /** A put without a get. */
  | 'users-negative'
  /** Every address space is in use. */
  | 'no-idle-context'
  | 'already-mapped'
  | 'not-mapped'
  /** io-pgtable unmapped less than asked. */
  | 'short-unmap'
  /** A fault in a buffer that is no heap: whatever is mapped there should not have faulted. */
  | 'fault-outside-heap'
  /** A page that a chunk should not have had yet. */
  | 'page-already-owned'
  /** An exception code that has no name. */
  | 'unknown-exception';

export interface PanfrostPorts {
  readonly registers: RegisterPort;
  /** Makes a table (`alloc_io_pgtable_ops`). The configuration has been checked. */
  createTable(config: IoPgtableConfig): EditedTable;
  /** A page of backing for a heap (`shmem_read_mapping_page`); its physical address, or `NO_PAGES`. */
  allocPage(): number;
  /** Makes pages visible to the GPU (`dma_map_sgtable`), neighbours joined into one segment. */
  mapForDevice(pages: Float64Array): readonly Segment[];
  /** Whether the GPU has power now (`pm_runtime_active`). A sleeping one has nothing cached that must be flushed. */
  isAwake(): boolean;
  /** AS_ACTIVE is stuck: the GPU will be reset by a worker. */
  queueReset(): void;
  warn(warning: PanfrostWarning): void;
  /** What the driver would print as an error. */
  log(message: string): void;
}
