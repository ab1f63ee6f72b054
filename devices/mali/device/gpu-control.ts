/** GPU_CMD: cache maintenance and reset, of GPUs with a job manager and of those with a command stream. */
import { decodeField } from '../../../formats/index.ts';
import { CacheAction, GPU_CMD, GpuCommand, JobManagerGpuCommand } from '../spec/index.ts';
import type { MaliConfig } from './config.ts';
import type { L2Cache } from './l2-cache.ts';

/** What a value of GPU_CMD asks for. */
export interface GpuCommandPlan {
  readonly reset: boolean;
  /** Null: no cache maintenance. */
  readonly flush: { readonly l2: number; readonly cores: number } | null;
}

const NOTHING: GpuCommandPlan = { reset: false, flush: null };
const RESET: GpuCommandPlan = { reset: true, flush: null };

/** Reads GPU_CMD as the family does. Commands that this model has no use for do nothing. */
export function planOf(family: MaliConfig['family'], value: number): GpuCommandPlan {
  if (family === 'csf') {
    const { COMMAND, L2, LSC, OTHER } = GPU_CMD.fields;
    const command = decodeField(COMMAND, value, 0);
    if (command === GpuCommand.RESET) return RESET;
    if (command !== GpuCommand.FLUSH_CACHES) return NOTHING;
    const cores = decodeField(LSC, value, 0) | decodeField(OTHER, value, 0);
    return { reset: false, flush: { l2: decodeField(L2, value, 0), cores } };
  }
  switch (value) {
    case JobManagerGpuCommand.SOFT_RESET:
    case JobManagerGpuCommand.HARD_RESET:
      return RESET;
    case JobManagerGpuCommand.CLEAN_CACHES:
      return { reset: false, flush: { l2: CacheAction.CLEAN, cores: CacheAction.CLEAN } };
    case JobManagerGpuCommand.CLEAN_INVALIDATE_CACHES: {
      const both = CacheAction.CLEAN | CacheAction.INVALIDATE;
      return { reset: false, flush: { l2: both, cores: both } };
    }
    default:
      return NOTHING;
  }
}

/** Flushes caches. @returns cycles until the last dirty line is in memory */
export function flushCaches(
  cache: L2Cache,
  timing: MaliConfig['timing'],
  what: { readonly l2: number; readonly cores: number },
): number {
  let cycles = what.cores === 0 ? 0 : timing.flushCores;
  if (what.l2 !== 0) {
    const dirty = cache.flush((what.l2 & CacheAction.INVALIDATE) !== 0);
    cycles += cache.lines / timing.linesPerCycle + dirty * timing.cleanLine;
  }
  return cycles;
}
