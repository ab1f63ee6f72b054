import type { RunConfigInput } from '../../config/index.ts';
import { MappingBench } from './mapping-bench.ts';
import { type CommandList, type QueuePrices, shareQueue } from './queue-load.ts';

/**
 * Nanoseconds that the DMA API spends around the page-table code, the IOVA's allocation and return among them: what the map_pages series
 * leaves of the smallest map and unmap of a Kunpeng 920 at 2.6 GHz.
 */
export const DMA_LAYER = { map: 45.5, unmap: 308, gigahertz: 2.6 } as const;

/** Commands that one doorbell publishes. Linux `CMDQ_BATCH_ENTRIES`. */
const BATCH = 64;
const PAGE = 4096;

/** Nanoseconds of `dma_map` and `dma_unmap`. */
export interface DmaTimes {
  readonly map: number;
  readonly unmap: number;
}

/**
 * Linux's `dma_map_benchmark`: so many threads, each on a CPU of its own, map and unmap a buffer over and over. One thread runs on the
 * machine of a replay, several on the simulated queue with that machine's prices.
 * @param gigahertz of the CPU, by which the DMA API's part is scaled
 */
export function dmaBenchmark(
  machine: RunConfigInput,
  gigahertz: number,
  { threads = 1, size = PAGE }: { threads?: number; size?: number },
): DmaTimes {
  const bench = new MappingBench(machine);
  const { map, unmap } = bench.steady(size);
  const scale = DMA_LAYER.gigahertz / gigahertz;
  const mapTime = DMA_LAYER.map * scale + map.total;
  const work = DMA_LAYER.unmap * scale + unmap.total - unmap.invalidation;
  if (threads === 1) return { map: mapTime, unmap: work + unmap.invalidation };
  const load = { cpus: threads, pause: mapTime, work, lists: listsOf(size / PAGE) };
  return { map: mapTime, unmap: shareQueue(load, queuePrices(bench)).total };
}

/** The lists that Linux makes of so many invalidations: full batches, and a CMD_SYNC behind the last. */
export function listsOf(commands: number): CommandList[] {
  const full = Math.max(0, Math.ceil(commands / BATCH) - 1);
  const lists = Array.from({ length: full }, () => ({ commands: BATCH, sync: false }));
  return [...lists, { commands: commands - full * BATCH, sync: true }];
}

/** What the driver and the SMMU of a machine take for each step of the queue. */
export function queuePrices({ config, replayer }: MappingBench): QueuePrices {
  const { cost } = config.driver;
  const { invalidation } = replayer.machine.device.mmu;
  const ns = (cycles: number): number => (cycles * 1000) / config.clockMHz;
  return {
    transfer: ns(config.interconnect.transferCycles),
    reserve: ns(cost.reserve),
    command: ns(cost.command),
    doorbell: ns(cost.doorbell),
    awake: ns(config.mmu.invalidation.doorbell),
    invalidation: ns(invalidation.byAddress(0, 0, 0, true)),
    sync: ns(invalidation.sync(0)),
    seen: ns(cost.seenByMsi),
  };
}
