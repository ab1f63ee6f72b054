import * as v from 'valibot';
import { placeTables } from '../../devices/index.ts';
import { BuddySystemPages, PageAllocator, PhysicalMemory } from '../../emulator/index.ts';
import {
  type AllocatorStack,
  allocIoPgtable,
  ConfigError,
  createAllocatorStack,
  Errno,
  Gfp,
  type IoPgtable,
  mapReservation,
  Prot,
} from '../../formats/index.ts';
import { checkConfig } from '../config/check.ts';
import { tableFrom } from './table-from.ts';

const RAM_BASE = 0x8000_0000;
const SMALL_PAGE = 4096;
const MIB = 2 ** 20;

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), fallback);

export const TeardownSchema = v.strictObject({
  /** Tables of 4 KiB in the tree, the first level included; one or two more where the tree needs a new upper level. 4 to 262144. */
  pages: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(1 << 18)), 4096),
  /** Tables freed per step, 1 or more. */
  budget: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 64),
  /** Instead: a step ends with the table at which it has taken this long, in cycles. */
  budgetCycles: v.optional(v.pipe(v.number(), v.minValue(1))),
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
  /** TLB callbacks that came once the tree was built. */
  readonly calls: { flushes: number };
}

function tearDown(config: TeardownConfig, chunked: boolean): TeardownRun {
  const { table, stack, calls } = buildTree(config);
  const tables = table.liveTables;
  let steps = 0;
  let longestPause = 0;
  let totalCycles = 0;
  for (let done = false; !done; ) {
    const before = stack.context.cycles;
    const live = table.liveTables;
    const { flushes } = calls;
    const spent = (): number =>
      stack.context.cycles -
      before +
      config.scanCycles * (live - table.liveTables) +
      config.flushCycles * (calls.flushes - flushes) +
      (steps === 0 ? 0 : config.resumeCycles);
    if (!chunked) done = table.teardown(Number.POSITIVE_INFINITY);
    else if (config.budgetCycles === undefined) done = table.teardown(config.budget);
    else {
      do done = table.teardown(1);
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
    flushes: calls.flushes,
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
  const calls = { flushes: 0 };
  const flush = (): void => {
    calls.flushes++;
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
      {
        memory,
        dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
        pages: stack,
        warn: () => {},
      },
      'domain',
    ),
  );
  for (let span = 0; table.liveTables < config.pages; span++) {
    const iova = span * 2 * MIB;
    // Every table comes with its own operation, so that a reserving stack works here too.
    const begun = stack.beginOperation(span, mapReservation(table.geometry, iova, SMALL_PAGE), 'domain');
    const result = begun ? table.mapPages(iova, RAM_BASE, SMALL_PAGE, 1, Prot.READ, Gfp.KERNEL) : -Errno.ENOMEM;
    if (result !== 0) throw new ConfigError('allocator', config.allocator, 'one that can hold the tree');
    stack.endOperation();
  }
  calls.flushes = 0;
  return { table, stack, calls };
}

/** Twice the tree, in whole MiB: watermarks and pools want their share. */
function ramFor(pages: number): number {
  return Math.max(32, Math.ceil((2 * pages * SMALL_PAGE) / MIB)) * MIB;
}
