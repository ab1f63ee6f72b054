import type { IommuDomain } from '../../../iommu.ts';
import type { InvalidationArray, RangeCover } from '../invalidation/index.ts';
import type { Master } from '../streams/index.ts';

/** Which translation stage a domain's table is. */
export type DomainStage = 'stage-1' | 'stage-2';

/** A device, or one substream of it, that uses a domain. */
export interface Attachment {
  readonly master: Master;
  /** 0: traffic without a SubstreamID. */
  readonly substreamId: number;
}

/** An address space: one table, its tag in the TLBs, and the devices that use it. Made by `Smmuv3Driver.createDomain`. */
export interface Smmuv3Domain extends IommuDomain {
  readonly stage: DomainStage;
  /** ASID of a stage 1, VMID of a stage 2. */
  readonly tag: number;
  /** A stage 2 below which guests may have stages 1 of their own, so that its changes concern those too. */
  readonly nestParent: boolean;
  /** What uses it, oldest first. */
  readonly attachments: Set<Attachment>;
  /** Attachments made with ATS, as Linux 6.12 counts them. */
  atsUsers: number;
  /** What to invalidate, as Linux 7.3 keeps it. */
  readonly invalidations: InvalidationArray;
  readonly cover: RangeCover;
}
