/**
 * What the page-table code of each kernel does differently: one property for each difference, one column for each kernel. A new kernel
 * is one more column; nothing else in this floor asks for a version. `formats/README.md` holds the table for people.
 *
 * Every property was found with the unmodified code of that kernel; the conformance vectors hold it to it.
 */
import type { SplitPolicy } from './io-pgtable.ts';

/** Kernels whose page-table code is followed. */
export const LINUX_VERSIONS = ['6.1', '6.12', '7.3'] as const;

export type LinuxVersion = (typeof LINUX_VERSIONS)[number];

/** How one kernel's io-pgtable code differs from the others'. */
export interface KernelProfile {
  /** LPAE: each entry cleared, synced and reported before the next is looked at; or runs: cleared and synced at once, then reported. */
  readonly unmaps: 'one by one' | 'in runs';
  /** LPAE: add_page is called also where the caller gave no gather. (Short descriptors always do.) */
  readonly reportsWithoutGather: boolean;
  /** What an unmap of part of a leaf does, where the configuration does not say. */
  readonly partialUnmap: SplitPolicy;
  /** LPAE but Mali: takes the quirk NO_WARN. */
  readonly noWarn: boolean;
  /** LPAE stage 2: takes the quirk ARM_S2FWB. */
  readonly stage2ForceWriteBack: boolean;
  /** LPAE stage 2: first-level tables are joined where that saves level 0, or only where the architecture demands it. */
  readonly concatenates: 'where it saves a level' | 'where demanded';
  /** LPAE: no table is asked for with fewer bytes. */
  readonly leastTableBytes: number;
  /** LPAE without hooks: dma_map_single is given the length of the allocation (whole pages), or that of the table. */
  readonly dmaLength: 'of the allocation' | 'of the table';
  /** LPAE without hooks: a bus address that differs warns and is unmapped before the error is logged. */
  readonly warnsOfBusAddress: boolean;
  /** read_and_clear_dirty warns where it finds nothing mapped. (The result is -EINVAL everywhere.) */
  readonly warnsOfDirtyHole: boolean;
  /** iova_to_phys takes an entry that is invalid but not zero for a table. */
  readonly followsInvalid: boolean;
  /** Lookups of 2^64 - 1 end before they begin, because the end of their range wraps to 0. */
  readonly lastAddressWraps: boolean;
}

const LINUX_6_12: KernelProfile = {
  unmaps: 'in runs',
  reportsWithoutGather: false,
  partialUnmap: 'in-place',
  noWarn: false,
  stage2ForceWriteBack: false,
  concatenates: 'where it saves a level',
  leastTableBytes: 0,
  dmaLength: 'of the table',
  warnsOfBusAddress: false,
  warnsOfDirtyHole: true,
  followsInvalid: true,
  lastAddressWraps: false,
};

/** The columns. */
export const KERNELS: Readonly<Record<LinuxVersion, KernelProfile>> = {
  '6.1': { ...LINUX_6_12, unmaps: 'one by one', reportsWithoutGather: true },
  '6.12': LINUX_6_12,
  '7.3': {
    unmaps: 'in runs',
    reportsWithoutGather: false,
    partialUnmap: 'refuse',
    noWarn: true,
    stage2ForceWriteBack: true,
    concatenates: 'where demanded',
    leastTableBytes: 64,
    dmaLength: 'of the allocation',
    warnsOfBusAddress: true,
    warnsOfDirtyHole: false,
    followsInvalid: false,
    lastAddressWraps: true,
  },
};
