import * as v from 'valibot';
import {
  type BindReport,
  type BindTotals,
  type Deadlock,
  Fence,
  GpuJob,
  GpuMemory,
  JobClock,
  placeTables,
  VmBind,
} from '../../devices/index.ts';
import { BuddySystemPages, PageAllocator, PhysicalMemory } from '../../emulator/index.ts';
import {
  type AllocatorFinding,
  type AllocatorReport,
  allocIoPgtable,
  createAllocatorStack,
  type IoPgtable,
  type Machine,
  Prot,
  type TableAllocator,
} from '../../formats/index.ts';
import { checkConfig } from '../config/index.ts';
import { tableFrom } from './table-from.ts';

const RAM_BASE = 0x8000_0000;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SMALL_PAGE = 4096;
/** What one reclaim asks of a stock of tables (Linux `SWAP_CLUSTER_MAX`: 32 pages). */
const RECLAIM_BYTES = 32 * SMALL_PAGE;
const IOVA = 0x10_0000_0000;

const VmBindDeadlockSchema = v.strictObject({
  /** Stack of table allocators, layers joined by `/`. */
  allocator: v.optional(v.pipe(v.string(), v.minLength(1)), 'page'),
  /** RAM of the machine in MiB. */
  memoryMib: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(1024)), 16),
  /** Size of each GPU buffer in MiB; buffers fill the memory. */
  bufferMib: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)), 2),
  /** Buffers that no GPU job uses, so that reclaim can take them at once. */
  idleBuffers: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(64)), 0),
  /** VM_BIND jobs, each of which maps into a different GiB. Few enough live off what a pool happens to keep. */
  jobs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)), 16),
  /** Size of the mapping that each makes, in KiB. */
  mapKib: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4), v.multipleOf(4)), 64),
  /** How long the render job runs, in cycles. */
  renderCycles: v.optional(v.pipe(v.number(), v.minValue(0)), 2_000_000),
});

export type VmBindDeadlockConfig = v.InferOutput<typeof VmBindDeadlockSchema>;
export type VmBindDeadlockInput = v.InferInput<typeof VmBindDeadlockSchema>;

/** One line of a scenario's story. */
export interface ScenarioEvent {
  /** Time in cycles. */
  readonly cycles: number;
  readonly what: string;
}

/** What the scenario came to. Plain JSON. */
export interface VmBindDeadlockReport {
  readonly scenario: 'vm-bind-deadlock';
  readonly config: VmBindDeadlockConfig;
  /** Null when everything completed. */
  readonly deadlock: Deadlock | null;
  readonly events: readonly ScenarioEvent[];
  readonly binds: readonly BindReport[];
  /** Time at which the render job ended, in cycles, or -1. */
  readonly renderedAt: number;
  readonly reclaimedPages: number;
  readonly totals: BindTotals;
  readonly findings: readonly AllocatorFinding[];
  readonly allocation: AllocatorReport;
}

/**
 * The deadlock that table reservation was made for: a VM_BIND map job runs when memory is out; the table it needs makes reclaim wait
 * for a GPU job, and that job waits for the VM_BIND job.
 *
 * 1. Map jobs are submitted; they wait for a fence from outside (the last frame on screen).
 * 2. The application fills the memory with buffers, and submits a render job that uses them and waits for the map jobs.
 * 3. The fence from outside signals, and the map jobs run.
 *
 * @throws ConfigError naming the first wrong field.
 */
export function runVmBindDeadlock(input: VmBindDeadlockInput = {}): VmBindDeadlockReport {
  const config = checkConfig(VmBindDeadlockSchema, input);
  const region = placeTables(config.allocator, [{ base: RAM_BASE, size: config.memoryMib * MIB, node: 0 }]);
  const memory = new PhysicalMemory({ banks: [...region.ram] });
  const pages = new PageAllocator({ banks: region.system }, memory);
  const system = new BuddySystemPages(pages);
  const clock = new JobClock();
  const gpu = new GpuMemory(clock, system);
  const events: ScenarioEvent[] = [];
  const findings: AllocatorFinding[] = [];
  const tell = (what: string): void => {
    events.push({ cycles: clock.now, what });
  };
  pages.onReclaim = () => {
    tell('no memory is free: the system reclaims');
    const stocked = allocator.shrink(RECLAIM_BYTES);
    if (stocked > 0) {
      tell(`reclaim got ${stocked / SMALL_PAGE} pages from the stock of tables`);
      return stocked / SMALL_PAGE;
    }
    const freed = gpu.reclaim();
    if (freed > 0) tell(`reclaim got ${freed} pages from an idle buffer`);
    return freed;
  };

  const allocator = createAllocatorStack(region.layers, {
    system,
    memory,
    tableSize: SMALL_PAGE,
    onFinding: (finding) => findings.push(finding),
  });
  const table = maliTable(config.allocator, allocator, memory);
  const vm = new VmBind('vm-0', {
    table,
    allocator,
    cookie: 'vm-0',
    clock,
    onJob: ({ name, state, used, returned, reason }) =>
      tell(`${name} is ${state}: ${reason ?? `${used} tables used, ${returned} returned`}`),
  });

  const frame = new Fence('fence of the last frame', null);
  const size = config.mapKib * 1024;
  const binds = Array.from({ length: config.jobs }, (_, i) =>
    vm.submit('q0', {
      kind: 'map',
      iova: IOVA + i * GIB,
      size,
      pa: RAM_BASE,
      prot: Prot.READ | Prot.WRITE,
      waitFor: [frame],
      name: `bind-${i + 1}`,
    }),
  );
  tell(
    `${config.jobs} VM_BIND jobs are queued: each maps ${config.mapKib} KiB once the last frame is shown; ` +
      `${vm.reservedNow} tables reserved`,
  );

  const render = new GpuJob(
    clock,
    'render-1',
    binds.map(({ done }) => done),
    config.renderCycles,
  );
  render.done.onSignal(() => tell('render-1 is done'));
  let idle = 0;
  // Buffers of the size asked for while they fit, then ever smaller ones, until not even a page is left.
  for (let bytes = config.bufferMib * MIB; bytes >= SMALL_PAGE; ) {
    const buffer = gpu.createBuffer(`buffer-${gpu.buffers.length + 1}`, bytes);
    if (buffer === null) bytes /= 2;
    else if (gpu.buffers.length <= config.idleBuffers) idle++;
    else gpu.use(buffer, render.done);
  }
  const busy = gpu.buffers.length - idle;
  tell(`render-1 waits for them and works on ${busy} buffers; with ${idle} idle ones they fill the memory`);

  clock.after(10_000, () => {
    tell('the last frame is shown: the jobs may run');
    frame.signal(clock.now);
  });
  vm.finish();

  const deadlock = clock.deadlocks[0] ?? null;
  return {
    scenario: 'vm-bind-deadlock',
    config,
    deadlock,
    events,
    binds: binds.map((bind) => bind.report()),
    renderedAt: render.done.signalledAt,
    reclaimedPages: gpu.reclaimedPages,
    totals: vm.totals(),
    findings,
    allocation: allocator.report(),
  };
}

function maliTable(spec: string, allocator: TableAllocator, memory: PhysicalMemory): IoPgtable {
  const machine: Machine = {
    memory,
    // The GPU walks coherently here: cache maintenance has no part in this story.
    dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
    pages: allocator,
    warn: () => {},
  };
  return tableFrom(spec, () =>
    allocIoPgtable(
      { format: 'ARM_MALI_LPAE', pageSizes: SMALL_PAGE + 2 * MIB, ias: 48, oas: 40, allocator },
      machine,
      'vm-0',
    ),
  );
}
