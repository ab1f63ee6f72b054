import type { IommuDomain } from '../../iommu.ts';
import type { RangeCover } from './range-cover.ts';

/** Which translation stage a domain's table is. */
export type DomainStage = 'stage-1' | 'stage-2';

/** A stream, or one substream of it, that uses a domain. */
export interface Attachment {
  readonly streamId: number;
  /** 0: traffic without a SubstreamID. */
  readonly substreamId: number;
  /** Its device keeps translations of its own (ATS), which invalidations must reach too. */
  readonly ats: boolean;
}

/** An address space: one table, its tag in the TLBs, and the streams that use it. Made by `Smmuv3Driver.createDomain`. */
export interface Smmuv3Domain extends IommuDomain {
  readonly stage: DomainStage;
  /** ASID of a stage 1, VMID of a stage 2. */
  readonly tag: number;
  /** What uses it. */
  readonly attachments: Set<Attachment>;
  readonly cover: RangeCover;
}
