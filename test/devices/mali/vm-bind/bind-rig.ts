import {
  type BindJob,
  type BindReport,
  JobClock,
  type LockRegion,
  VmBind,
  type VmBindConfigInput,
} from '../../../../devices/index.ts';
import {
  type AllocatorFinding,
  type AllocatorStack,
  allocIoPgtable,
  createAllocatorStack,
  type IoPgtable,
  type SplitPolicy,
  type SystemPages,
  type TableMemory,
} from '../../../../formats/index.ts';
import { FakeSystem, FlatMemory } from '../../../formats/allocators/fake-system.ts';

export const K = 2 ** 10;
export const M = 2 ** 20;
export const G = 2 ** 30;

export interface BindRig {
  readonly clock: JobClock;
  readonly system: FakeSystem;
  readonly stack: AllocatorStack;
  readonly table: IoPgtable;
  readonly vm: VmBind;
  readonly findings: AllocatorFinding[];
  readonly reports: BindReport[];
}

/** A Mali VM with 4 KiB, 2 MiB and 1 GiB pages on a fake system allocator. */
export function bindRig(
  allocator: string,
  config: VmBindConfigInput = {},
  setup: {
    split?: SplitPolicy;
    afterEdit?: (region: LockRegion) => number;
    onWork?: (job: BindJob) => void;
    wrap?: (system: FakeSystem) => SystemPages;
  } = {},
): BindRig {
  const memory = new FlatMemory(4 * M);
  const system = new FakeSystem(memory);
  const findings: AllocatorFinding[] = [];
  const reports: BindReport[] = [];
  const clock = new JobClock();
  const stack = createAllocatorStack(allocator, {
    system: setup.wrap?.(system) ?? system,
    memory,
    tableSize: 4 * K,
    onFinding: (finding) => findings.push(finding),
  });
  const table = maliTable(stack, memory, setup.split ?? 'in-place');
  const vm = new VmBind(
    'vm0',
    {
      table,
      allocator: stack,
      cookie: 'vm0',
      clock,
      onJob: (report) => reports.push(report),
      ...(setup.afterEdit === undefined ? {} : { afterEdit: setup.afterEdit }),
      ...(setup.onWork === undefined ? {} : { onWork: setup.onWork }),
    },
    config,
  );
  return { clock, system, stack, table, vm, findings, reports };
}

export function maliTable(stack: AllocatorStack, memory: TableMemory, split: SplitPolicy = 'in-place'): IoPgtable {
  return allocIoPgtable(
    { format: 'ARM_MALI_LPAE', pageSizes: 4 * K + 2 * M + G, ias: 48, oas: 40, allocator: stack, split },
    {
      memory,
      dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
      pages: { alloc: () => -1, free: () => {} },
      warn: () => {},
    },
    'vm0',
  );
}

/** Every leaf of a table: what it maps, where to and how, so that two tables can be compared whatever pages they sit in. */
export function leavesOf(table: IoPgtable): string[] {
  const leaves: string[] = [];
  table.visitLeaves((iova, pa, size, level, low, high) => leaves.push([iova, pa, size, level, low, high].join(' ')));
  return leaves;
}
