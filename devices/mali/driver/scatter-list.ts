import { CPU_PAGE } from '../../../formats/index.ts';

/** A run of memory, as the device sees it: one entry of a scatter list. */
export interface Segment {
  readonly pa: number;
  readonly size: number;
}

/** Pages as a scatter list: neighbours in memory that follow one another become one entry (`sg_alloc_table_from_pages`). */
export function joinPages(pages: ArrayLike<number>, longest = Number.POSITIVE_INFINITY): Segment[] {
  const segments: { pa: number; size: number }[] = [];
  let last = { pa: 0, size: 0 };
  for (let at = 0; at < pages.length; at++) {
    const pa = pages[at] as number;
    if (last.size > 0 && last.pa + last.size === pa && last.size < longest) {
      last.size += CPU_PAGE;
    } else {
      last = { pa, size: CPU_PAGE };
      segments.push(last);
    }
  }
  return segments;
}
