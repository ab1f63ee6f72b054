/** Until when a kernel in lazy mode may have let a device use what was unmapped. */
import * as v from 'valibot';
import { FlushQueueSchema, timerDeadline } from '../../../devices/index.ts';
import type { Mapping, MappingHistory } from './history.ts';

/** What ended the time in which a TLB entry of an unmapped range could still serve accesses. */
export interface LazyWindow {
  /** Seconds of the trace clock: no later than this. */
  readonly until: number;
  readonly by: 'the timer' | 'a full queue' | 'the address being mapped again';
}

/** Ring and timer as distributions have them (CONFIG_HZ_250). */
const QUEUE = v.parse(FlushQueueSchema, {});

/**
 * When the flush queue of Linux's lazy mode has invalidated a mapping at the latest (drivers/iommu/dma-iommu.c): its timer fires, the ring of
 * the CPU that unmapped is full, or the address is mapped again, which the IOVA allocator allows only after the flush.
 * What it rests on: the capture's order of events, default sizes, and a clock in seconds.
 *
 * @param mapping one that was unmapped
 * @returns null for one that lives
 */
export function lazyWindow(history: MappingHistory, mapping: Mapping): LazyWindow | null {
  const { gone, domain, start, end } = mapping;
  if (gone === null) return null;
  let window: LazyWindow = { until: timerDeadline(gone.time, QUEUE), by: 'the timer' };
  const queued: number[] = [];
  for (const other of history.mappings) {
    if (other.domain !== domain || other === mapping) continue;
    const again = other.start < end && other.end > start && other.made.time >= gone.time;
    if (again && other.made.time < window.until)
      window = { until: other.made.time, by: 'the address being mapped again' };
    const went = other.gone;
    if (went !== null && went.cpu === gone.cpu && went.line > gone.line && went.time <= window.until)
      queued.push(went.time);
  }
  // The ring is flushed when it is found full: one entry stays free.
  const full = queued.sort((a, b) => a - b)[QUEUE.entries - 2];
  return full !== undefined && full < window.until ? { until: full, by: 'a full queue' } : window;
}
