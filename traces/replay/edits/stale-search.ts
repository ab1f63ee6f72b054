import type { IommuDomain, Machine } from '../../../devices/index.ts';
import type { WatchedSpace } from '../../../emulator/index.ts';

/** The unmap of `[iova, iova + size)` has returned: whatever a TLB still holds of it is a stale window from now on. */
export function lookForStale(
  machine: Machine,
  { cutter, upper }: IommuDomain,
  space: WatchedSpace,
  iova: number,
  size: number,
): void {
  const { sanitizer, device, watch } = machine;
  const { windows } = sanitizer;
  const { last } = watch;
  const { stale } = device;
  for (let done = 0; done < size; ) {
    cutter.choose(iova + done, iova + done, size - done);
    for (let page = 0; page < cutter.count; page++) {
      const start = iova + done;
      const mark = windows.takeMark();
      const held = stale.mark(space.asid, space.vmid, start, start + cutter.pageSize, mark, upper);
      if (held > 0) {
        const leaf = last.leafBefore(watch.invalidation.runs, space, start);
        if (leaf < 0) windows.open(mark, start, cutter.pageSize, -1, 0, 0);
        else windows.open(mark, start, cutter.pageSize, last.foundLevel, last.lowOf(leaf), last.highOf(leaf));
      } else windows.returnMark(mark);
      done += cutter.pageSize;
    }
  }
}
