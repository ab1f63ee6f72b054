/** What a workload came to. Times are GPU clock cycles; all sizes and times of the GPU are assumed. */
import type { GpuEngine } from './engine.ts';
import type { JobOutcome } from './running-job.ts';

export interface GpuJobReport {
  readonly name: string;
  readonly frame: number;
  readonly space: number;
  readonly slot: number;
  readonly outcome: JobOutcome;
  readonly start: number;
  readonly end: number;
  readonly accesses: number;
}

export interface GpuRunReport {
  readonly jobs: readonly GpuJobReport[];
  /** From the first job's start to the last job's end. */
  readonly cycles: number;
  readonly accesses: number;
  /** Table walks, and descriptors that they read. */
  readonly walks: number;
  readonly descriptorReads: number;
  /** Locks, for how long regions were locked, and how long accesses waited for that. */
  readonly locks: number;
  readonly lockedCycles: number;
  readonly lockWaits: number;
  readonly lockWaitCycles: number;
  /** Cycles in which address spaces carried out commands. */
  readonly commandCycles: number;
  /** Cycles that cores waited for software after faults. */
  readonly stallCycles: number;
  readonly faults: number;
  readonly heapPages: number;
  readonly evictions: number;
  readonly timeouts: number;
  readonly driverCycles: number;
  readonly l2: {
    readonly hits: number;
    readonly misses: number;
    readonly flushedDirty: number;
    readonly dropped: number;
  };
}

export function reportOf(engine: GpuEngine): GpuRunReport {
  const { jobs, cores, system, driverCycles, evictions, timeouts } = engine;
  const { device, driver } = system;
  const spaces = [...device.spaces.values()];
  const sum = <T>(list: readonly T[], value: (one: T) => number): number =>
    list.reduce((total, one) => total + value(one), 0);
  const { l2, mmu } = device;
  const first = jobs.reduce((least, { start }) => Math.min(least, start), Number.POSITIVE_INFINITY);
  const last = jobs.reduce((most, { end }) => Math.max(most, end), 0);
  return {
    jobs: jobs.map(({ spec, frame, slot, outcome, start, end, accesses }) => ({
      name: spec.name,
      frame,
      space: spec.space,
      slot,
      outcome,
      start,
      end,
      accesses,
    })),
    cycles: last - first,
    accesses: sum(jobs, ({ accesses }) => accesses),
    walks: mmu.walks,
    descriptorReads: mmu.totalDescriptorReads,
    locks: sum(spaces, ({ locks }) => locks),
    lockedCycles: sum(spaces, ({ lockedCycles }) => lockedCycles),
    lockWaits: sum(spaces, ({ lockWaits }) => lockWaits),
    lockWaitCycles: sum(spaces, ({ lockWaitCycles }) => lockWaitCycles),
    commandCycles: sum(spaces, ({ activeCycles }) => activeCycles),
    stallCycles: sum(cores, ({ stallCycles }) => stallCycles),
    faults: driver.faults,
    heapPages: system.heapPagesGiven,
    evictions,
    timeouts,
    driverCycles,
    l2: { hits: l2.hits, misses: l2.misses, flushedDirty: l2.cleaned, dropped: l2.invalidated },
  };
}
