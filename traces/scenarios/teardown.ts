import * as v from 'valibot';
import {
  IPMMU_LEAF_STRIDE,
  Ipmmu,
  placeTables,
  type XenIpmmuDomain,
  XenIpmmuDriver,
  XenTablePool,
} from '../../devices/index.ts';
import { BuddySystemPages, Bus, BusView, PageAllocator, PhysicalMemory } from '../../emulator/index.ts';
import {
  type AllocatorStack,
  allocIoPgtable,
  ConfigError,
  createAllocatorStack,
  Errno,
  Gfp,
  type IoPgtable,
  type Machine,
  mapReservation,
  Prot,
} from '../../formats/index.ts';
import { checkConfig } from '../config/index.ts';
import { tableFrom } from './table-from.ts';

const RAM_BASE = 0x8000_0000;
const SMALL_PAGE = 4096;
const MIB = 2 ** 20;

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), fallback);

const TeardownSchema = v.strictObject({
  /** Tables of 4 KiB in the tree, the first level included; one or two more where the tree needs a new upper level. 4 to 262144. */
  pages: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(1 << 18)), 4096),
  /** Tables freed per step, 1 or more. */
  budget: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 64),
  /** Instead: a step ends with the table at which it has taken this long, in cycles. */
  budgetCycles: v.optional(v.pipe(v.number(), v.minValue(1))),
  /**
   * `ipmmu-xen`: the tables are those of a guest under Xen's IPMMU driver. The context goes first, with the first level; the flush
   * takes what the modelled IPMMU takes, and the rest is freed from the driver's list. `none`: a table alone, `flushCycles` a flush.
   */
  driver: v.optional(v.picklist(['none', 'ipmmu-xen']), 'none'),
  /** Stack of table allocators, layers joined by `/`. */
  allocator: v.optional(v.pipe(v.string(), v.minLength(1)), 'page'),
  /** Looking through the entries of one table, in cycles. Assumed: 64 cache lines of 4 KiB at 4 cycles each. */
  scanCycles: cycles(256),
  /** Invalidating the TLB of the whole address space, once, in cycles: a command and its wait (280 ns, CMD_SYNC polling on MSI). */
  flushCycles: cycles(280),
  /** Leaving the work and coming back to it between two steps, in cycles. Assumed: a hypercall continuation. */
  resumeCycles: cycles(1000),
});

export type TeardownConfig = v.InferOutput<typeof TeardownSchema>;
export type TeardownInput = v.InferInput<typeof TeardownSchema>;

/** One way of freeing a tree. Plain JSON; times in cycles. */
export interface TeardownRun {
  readonly steps: number;
  /** The longest time that the processor was kept. */
  readonly longestPause: number;
  readonly totalCycles: number;
  /** Tables in the tree, and tables left at the end: 0 proves that all were freed. */
  readonly tables: number;
  readonly tablesLeft: number;
  /** Blocks that the allocator still holds as allocated. */
  readonly leaks: number;
  /** TLB invalidations: one at the start, none after it. */
  readonly flushes: number;
}

/** Both ways on the same tree. Plain JSON. */
export interface TeardownReport {
  readonly scenario: 'teardown';
  readonly config: TeardownConfig;
  readonly chunked: TeardownRun;
  readonly atOnce: TeardownRun;
}

/**
 * Frees the same tree in steps and all at once, as a hypervisor that destroys a domain may.
 * @throws ConfigError naming the first wrong field.
 */
export function runTeardown(input: TeardownInput = {}): TeardownReport {
  const config = checkConfig(TeardownSchema, input);
  if (input.budget !== undefined && input.budgetCycles !== undefined) {
    throw new ConfigError('budgetCycles', input.budgetCycles, 'one of budget and budgetCycles');
  }
  return {
    scenario: 'teardown',
    config,
    chunked: tearDown(config, true),
    atOnce: tearDown(config, false),
  };
}

interface Tree {
  readonly table: IoPgtable;
  readonly stack: AllocatorStack;
  /** TLB invalidations since the tree was built, and the cycles that the processor spent on them. */
  flushes(): number;
  flushCycles(): number;
  /** Frees at most `budget` tables. @returns true when everything is freed */
  free(budget: number): boolean;
}

function tearDown(config: TeardownConfig, chunked: boolean): TeardownRun {
  const tree = buildTree(config);
  const { table, stack } = tree;
  const tables = table.liveTables;
  let steps = 0;
  let longestPause = 0;
  let totalCycles = 0;
  for (let done = false; !done; ) {
    const before = stack.context.cycles;
    const live = table.liveTables;
    const flushed = tree.flushCycles();
    const spent = (): number =>
      stack.context.cycles -
      before +
      config.scanCycles * (live - table.liveTables) +
      (tree.flushCycles() - flushed) +
      (steps === 0 ? 0 : config.resumeCycles);
    if (!chunked) done = tree.free(Number.POSITIVE_INFINITY);
    else if (config.budgetCycles === undefined) done = tree.free(config.budget);
    else {
      do done = tree.free(1);
      while (!done && spent() < config.budgetCycles);
    }
    const pause = spent();
    steps++;
    totalCycles += pause;
    if (pause > longestPause) longestPause = pause;
  }
  return {
    steps,
    longestPause,
    totalCycles,
    tables,
    tablesLeft: table.liveTables,
    leaks: stack.close(),
    flushes: tree.flushes(),
  };
}

/** A tree of `pages` tables: last-level tables with one page each, and the levels above that they need. */
function buildTree(config: TeardownConfig): Tree {
  const region = placeTables(config.allocator, [{ base: RAM_BASE, size: ramFor(config.pages), node: 0 }]);
  const memory = new PhysicalMemory({ banks: [...region.ram] });
  const stack = createAllocatorStack(region.layers, {
    system: new BuddySystemPages(new PageAllocator({ banks: region.system }, memory)),
    memory,
    tableSize: SMALL_PAGE,
  });
  const tree = config.driver === 'none' ? tableAlone(config, memory, stack) : guestOfXen(config, memory, stack);
  const { table } = tree;
  for (let span = 0; table.liveTables < config.pages; span++) {
    const iova = span * 2 * MIB;
    // Every table comes with its own operation, so that a reserving stack works here too.
    const begun = stack.beginOperation(span, mapReservation(table.geometry, iova, SMALL_PAGE), 'domain');
    const result = begun ? table.mapPages(iova, RAM_BASE, SMALL_PAGE, 1, Prot.READ, Gfp.KERNEL) : -Errno.ENOMEM;
    if (result !== 0) throw new ConfigError('allocator', config.allocator, 'one that can hold the tree');
    stack.endOperation();
  }
  return tree;
}

function machineOf(memory: PhysicalMemory, stack: AllocatorStack): Machine {
  const dma = { mapSingle: (pa: number) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} };
  return { memory, dma, pages: stack, warn: () => {} };
}

/** A table without a driver, whose TLB costs what the configuration says. */
function tableAlone(config: TeardownConfig, memory: PhysicalMemory, stack: AllocatorStack): Tree {
  let flushes = 0;
  const flush = (): void => {
    flushes++;
  };
  const table = tableFrom(config.allocator, () =>
    allocIoPgtable(
      {
        format: 'ARM_64_LPAE_S1',
        pageSizes: SMALL_PAGE,
        ias: 48,
        oas: 48,
        allocator: stack,
        tlb: { flushAll: flush, flushWalk: flush, addPage: flush },
      },
      machineOf(memory, stack),
      'domain',
    ),
  );
  return {
    table,
    stack,
    flushes: () => flushes,
    flushCycles: () => flushes * config.flushCycles,
    free: (budget) => table.teardown(budget),
  };
}

/** The tables of a guest under Xen's driver, on a modelled IPMMU. */
function guestOfXen(config: TeardownConfig, memory: PhysicalMemory, stack: AllocatorStack): Tree {
  const device = new Ipmmu({
    config: { generation: 'gen3' },
    memory: new Bus(memory, null).port('ipmmu', BusView.COHERENT),
  });
  const pool = new XenTablePool(machineOf(memory, stack));
  pool.asked = { allocator: stack, pageSizes: SMALL_PAGE };
  const { generation } = device;
  const driver = new XenIpmmuDriver({ port: device, generation, leafBases: [IPMMU_LEAF_STRIDE], tables: pool });
  driver.reset();
  let guest: XenIpmmuDomain | null = null;
  const table = tableFrom(config.allocator, () => {
    guest = driver.createDomain();
    const made = guest?.tables?.table ?? null;
    if (made === null) throw new Error('a fresh IPMMU has a context');
    return made;
  });
  const { flushes } = driver;
  const { now } = device;
  return {
    table,
    stack,
    flushes: () => driver.flushes - flushes,
    flushCycles: () => device.now - now,
    free: (budget) => {
      const before = table.liveTables;
      if (guest !== null) driver.destroyDomain(guest);
      guest = null;
      pool.step(budget - (before - table.liveTables));
      return table.liveTables === 0;
    },
  };
}

/** Twice the tree, in whole MiB: watermarks and pools want their share. */
function ramFor(pages: number): number {
  return Math.max(32, Math.ceil((2 * pages * SMALL_PAGE) / MIB)) * MIB;
}
