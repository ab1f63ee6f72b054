/**
 * The contiguous hint (Arm ARM DDI 0487L.a D8.7.1): an aligned run of leaves that map consecutive memory alike carries a bit that
 * lets a TLB hold the run as one entry. The bit must be on all leaves of a run or on none, so it goes from the whole run before
 * a part of the run goes.
 *
 * No released kernel's io-pgtable sets it. Only runs that one map call writes whole are marked.
 */
import { CONTIGUOUS_HIGH } from '../contiguous-runs.ts';
import type { LpaeCore } from '../core.ts';
import { writeLeaves } from './leaves.ts';

/**
 * Writes `count` leaves from entry `index` on, which lead to `pa`, with the hint on every whole run among them. The hint comes with the
 * leaf: put on afterwards it would change a leaf that a walker may have read already, which needs break-before-make.
 */
export function writeRuns(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  count: number,
  pa: number,
  low: number,
  high: number,
): void {
  const length = core.runLengths[level] as number;
  const size = core.blockSizes[level] as number;
  let first = length === 0 ? 0 : (length - (index % length)) % length;
  let marked = length === 0 ? 0 : count - first - ((index + count) % length);
  // The runs of one call are all aligned in memory, or none is.
  if (marked <= 0 || (pa + first * size) % (length * size) !== 0) {
    first = 0;
    marked = 0;
  }
  const rest = first + marked;
  writeLeaves(core, table, level, index, first, pa, low, high);
  writeLeaves(core, table, level, index + first, marked, pa + first * size, low, high | CONTIGUOUS_HIGH);
  writeLeaves(core, table, level, index + rest, count - rest, pa + rest * size, low, high);
}

/** Takes the hint from the runs of which entries `index` to `index + count` are only a part, and has a TLB drop those runs. */
export function breakRuns(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  count: number,
  iova: number,
): void {
  const length = core.runLengths[level] as number;
  if (length === 0) return;
  const size = core.blockSizes[level] as number;
  const last = index + count - 1;
  if (index % length !== 0 || count < length) breakRun(core, table, level, index, iova);
  if ((last + 1) % length !== 0) breakRun(core, table, level, last, iova + (count - 1) * size);
}

/** Takes the hint from the run that holds the entry at `index`, if it has one. */
function breakRun(core: LpaeCore, table: number, level: number, index: number, iova: number): void {
  const length = core.runLengths[level] as number;
  const size = core.blockSizes[level] as number;
  const offset = index % length;
  const runPa = table + 8 * (index - offset);
  const at = core.memory.index(runPa);
  const words = core.memory.words;
  const low = words[at + 2 * offset] as number;
  if (!core.isLeaf(low, level) || ((words[at + 2 * offset + 1] as number) & CONTIGUOUS_HIGH) === 0) return;
  for (let i = at + 1; i < at + 2 * length; i += 2) words[i] = (words[i] as number) & ~CONTIGUOUS_HIGH;
  core.memory.written(runPa, 8 * length);
  if (!core.coherent) core.sync(runPa, 8 * length);
  // A TLB that holds the run as one entry would go on serving the part that goes.
  core.tlb?.flushWalk(Math.floor(iova / size) * size - offset * size, length * size, size, core.cookie);
}
