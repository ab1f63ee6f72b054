/** Writing and clearing runs of leaves: the inner loops of every edit. */
import { TWO_32 } from '../../bits/index.ts';
import type { LpaeCore } from '../core.ts';

/**
 * Writes `count` leaves that map consecutive pieces of memory from `pa` on, and tells the memory. Nothing is checked or synced.
 *
 *     descriptor  63 .. 52     51 .. 48   47 .. 16   15 .. 12    11 .. 0
 *                 attributes   zero       pa 47:16   pa 15:12    attributes, type
 *                                                    or pa 51:48 (64 KiB granule)
 *
 * @param low attribute and type bits of the low half. @param high attribute bits of the high half.
 */
export function writeLeaves(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  count: number,
  pa: number,
  low: number,
  high: number,
): void {
  if (count <= 0) return;
  const memory = core.memory;
  const size = core.blockSizes[level] as number;
  const entryPa = table + 8 * index;
  const first = memory.index(entryPa);
  let at = first;
  const words = memory.words;
  let next = pa;
  let left = count;
  while (left > 0) {
    // The high half stays the same up to the next multiple of 4 GiB, so the carry is kept out of the loop.
    const start = next >>> 0;
    const upper = Math.floor(next / TWO_32);
    const room = Math.ceil((TWO_32 - start) / size);
    const run = Math.min(left, room);
    const lowBits = low | ((upper >>> 4) & 0xfffff000);
    const highBits = high | (upper & 0xffff);
    const step = size | 0;
    let address = start & 0xfffff000;
    for (const end = at + 2 * run; at < end; at += 2) {
      words[at] = lowBits | address;
      words[at + 1] = highBits;
      address = (address + step) | 0;
    }
    next += run * size;
    left -= run;
  }
  core.stats.descriptorsWritten += count;
  memory.written(entryPa, 8 * count, first);
}

/** Sets `count` descriptors to zero, and tells the memory. Nothing is synced. */
export function clearEntries(core: LpaeCore, table: number, index: number, count: number): void {
  const memory = core.memory;
  const entryPa = table + 8 * index;
  const at = memory.index(entryPa);
  const words = memory.words;
  // A call into the engine's fill pays off from a cache line or two on.
  if (count > 32) words.fill(0, at, at + 2 * count);
  else for (let i = at; i < at + 2 * count; i++) words[i] = 0;
  core.stats.descriptorsCleared += count;
  memory.written(entryPa, 8 * count, at);
}
