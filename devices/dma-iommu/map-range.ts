import { Errno, Gfp, type IotlbGather } from '../../formats/index.ts';
import type { IommuDomain, IommuDriver } from '../iommu.ts';

/**
 * Maps `[iova, iova + size)` to `[pa, pa + size)` in the largest pages that fit (Linux `iommu_map`, which takes 0 bytes for done).
 * On an error what was mapped is unmapped again by the driver.
 * @param gather an empty one, for that
 * @returns 0 or a negative `Errno`; `domain.mapped` says what is mapped
 */
export function mapRange(
  driver: Pick<IommuDriver, 'unmap' | 'iotlbSync'>,
  domain: IommuDomain,
  iova: number,
  pa: number,
  size: number,
  prot: number,
  gather: IotlbGather,
): number {
  const { table, cutter } = domain;
  domain.mapped = 0;
  if (size < 0 || !cutter.aligned(iova, pa, size)) return -Errno.EINVAL;
  let done = 0;
  while (done < size) {
    cutter.choose(iova + done, pa + done, size - done);
    const error = table.mapPages(iova + done, pa + done, cutter.pageSize, cutter.count, prot, Gfp.KERNEL);
    done += table.mapped;
    if (error !== 0) {
      if (done > 0) {
        driver.unmap(domain, iova, done, gather);
        driver.iotlbSync(domain, gather);
      }
      return error;
    }
  }
  domain.mapped = done;
  return 0;
}

/**
 * Unmaps `[iova, iova + size)` up to the first hole (Linux `iommu_unmap_fast`).
 * @returns bytes unmapped.
 */
export function unmapRange(domain: IommuDomain, iova: number, size: number, gather: IotlbGather): number {
  const { table, cutter } = domain;
  if (!cutter.aligned(iova, 0, size)) return 0;
  let done = 0;
  while (done < size) {
    cutter.choose(iova + done, iova + done, size - done);
    const unmapped = table.unmapPages(iova + done, cutter.pageSize, cutter.count, gather);
    if (unmapped === 0) break;
    done += unmapped;
  }
  return done;
}
