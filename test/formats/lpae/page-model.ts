/** What a page table means, told in the plainest way: which pages of which address lead where. */

export interface Extent {
  readonly start: number;
  readonly end: number;
  /** Where `start` leads. */
  readonly pa: number;
}

/** A map of pages, kept as the runs of pages that it consists of. */
export class PageModel {
  extents: Extent[] = [];

  isFree(start: number, size: number): boolean {
    return this.extents.every((extent) => extent.end <= start || extent.start >= start + size);
  }

  map(start: number, pa: number, size: number): void {
    this.extents.push({ start, end: start + size, pa });
    this.extents = merge(this.extents);
  }

  unmap(start: number, size: number): void {
    const end = start + size;
    const rest: Extent[] = [];
    for (const extent of this.extents) {
      if (extent.start < start) rest.push({ ...extent, end: Math.min(extent.end, start) });
      if (extent.end > end) {
        const from = Math.max(extent.start, end);
        rest.push({ start: from, end: extent.end, pa: extent.pa + from - extent.start });
      }
    }
    this.extents = merge(rest);
  }

  /** Physical address of `iova`, or 0 as in the real interface. */
  lookup(iova: number): number {
    const extent = this.extents.find(({ start, end }) => iova >= start && iova < end);
    return extent === undefined ? 0 : extent.pa + iova - extent.start;
  }
}

/** Runs that follow one another in both address spaces are one. */
export function merge(extents: readonly Extent[]): Extent[] {
  const merged: Extent[] = [];
  for (const extent of extents.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (extent.end <= extent.start) continue;
    if (last !== undefined && last.end === extent.start && last.pa + last.end - last.start === extent.pa) {
      merged[merged.length - 1] = { ...last, end: extent.end };
    } else {
      merged.push(extent);
    }
  }
  return merged;
}
