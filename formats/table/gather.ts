/** What an unmap asks to be invalidated, gathered until the sync (Linux `struct iommu_iotlb_gather`). */
import { TWO_64 } from '../bits/index.ts';

/** `end` is inclusive, as in Linux. A fresh gather has `start > end`. */
export interface IotlbGather {
  start: number;
  end: number;
  /** Page size of the gathered range in bytes; 0 when nothing was gathered. */
  pageSize: number;
  /** True for lazy mode: a flush queue invalidates everything later, so leaves are not reported one by one. */
  queued: boolean;
}

/** A gather that holds nothing (Linux `iommu_iotlb_gather_init`). */
export function newGather(queued = false): IotlbGather {
  return { start: TWO_64, end: 0, pageSize: 0, queued };
}

/** Empties a gather; a reset one is no longer queued, as in Linux. */
export function resetGather(gather: IotlbGather): void {
  gather.start = TWO_64;
  gather.end = 0;
  gather.pageSize = 0;
  gather.queued = false;
}
