import { Errno } from '../../../formats/index.ts';

/** Kernels whose driver is followed. */
export const DRIVER_KERNELS = ['6.12', '7.3'] as const;
export type DriverKernel = (typeof DRIVER_KERNELS)[number];

/** Linux `ENODEV`, which the table code never returns. */
export const ENODEV = 19;

/** What one kernel's driver does that another's does otherwise. A new kernel is one more column. */
export interface KernelTraits {
  /**
   * Who is invalidated is a sorted array of each domain: none while nothing is attached, so that the last detach has to flush the tag;
   * large ranges without range invalidation become one command (7.0, "Introduce a per-domain arm_smmu_invs array").
   */
  readonly invalidationArray: boolean;
  /** The streams of a device are sorted by their number. */
  readonly sortsStreams: boolean;
  /** A device that has a stream of another one is refused with this. */
  readonly foreignStream: number;
  /** EATS and MEV of a stream table entry may change at any moment, so that they do not decide whether a change is hitless. */
  readonly relaxedEntryBits: boolean;
  /** The page size of an invalidation is kept in 32 bits. */
  readonly granuleOf32Bits: boolean;
  /** The first revision of MMU-700 that needs no forced CMD_SYNC is r1p1; else all revisions need it. */
  readonly forcedSyncBeforeR1p1: boolean;
  /** IDR0.TTF offering VMSAv8-32 too makes the output of stage 1 at least 40 bits. */
  readonly leastOutputOf40Bits: boolean;
  /** A stage 2 asked for by a user (VFIO, iommufd) is the parent of nested ones, and needs an SMMU with both stages. */
  readonly nestParents: boolean;
  /** A device that goes away is blocked even where its firmware needs direct mappings: the IOMMU core has seen to those before. */
  readonly releasesToBlocked: boolean;
  /** PCI devices are prepared for ATS only where it can be used. */
  readonly preparesUsableAtsOnly: boolean;
}

export const KERNEL_TRAITS: Readonly<Record<DriverKernel, KernelTraits>> = {
  '6.12': {
    invalidationArray: false,
    sortsStreams: false,
    foreignStream: Errno.EINVAL,
    relaxedEntryBits: false,
    granuleOf32Bits: false,
    forcedSyncBeforeR1p1: false,
    leastOutputOf40Bits: true,
    nestParents: false,
    releasesToBlocked: false,
    preparesUsableAtsOnly: false,
  },
  '7.3': {
    invalidationArray: true,
    sortsStreams: true,
    foreignStream: ENODEV,
    relaxedEntryBits: true,
    granuleOf32Bits: true,
    forcedSyncBeforeR1p1: true,
    leastOutputOf40Bits: false,
    nestParents: true,
    releasesToBlocked: true,
    preparesUsableAtsOnly: true,
  },
};
