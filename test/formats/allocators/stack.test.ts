import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AllocatorFinding,
  type AllocatorStack,
  ConfigError,
  createAllocatorStack,
  Gfp,
  LAYERS,
  type LayerSpecInput,
  layerOptions,
  parseStackSpec,
} from '../../../formats/index.ts';
import { FakeSystem, FlatMemory } from './fake-system.ts';

const TABLE = 4096;
const ZEROED = Gfp.KERNEL | Gfp.ZERO;

interface Rig {
  stack: AllocatorStack;
  system: FakeSystem;
  memory: FlatMemory;
  findings: AllocatorFinding[];
}

function rig(spec: string | readonly LayerSpecInput[], tableSize = TABLE): Rig {
  const memory = new FlatMemory(16 << 20);
  const system = new FakeSystem(memory);
  const findings: AllocatorFinding[] = [];
  const stack = createAllocatorStack(spec, {
    system,
    memory,
    tableSize,
    onFinding: (finding) => findings.push(finding),
  });
  return { stack, system, memory, findings };
}

function take(stack: AllocatorStack, count: number, cookie: unknown = 'a'): number[] {
  return Array.from({ length: count }, () => stack.alloc(cookie, TABLE, ZEROED));
}

describe('a stack specification', () => {
  it('gets a page layer at the bottom when it names none', () => {
    expect(parseStackSpec('pool').map(({ kind }) => kind)).toEqual(['pool', 'page']);
    expect(parseStackSpec('page').map(({ kind }) => kind)).toEqual(['page']);
  });

  it('stands a lone reserve on a pool', () => {
    expect(parseStackSpec('reserve').map(({ kind }) => kind)).toEqual(['reserve', 'pool', 'page']);
    expect(parseStackSpec('reserve/batch').map(({ kind }) => kind)).toEqual(['reserve', 'batch', 'page']);
  });

  it('reads options as numbers with suffixes, hexadecimal numbers and words', () => {
    expect(parseStackSpec('accounting:limitBytes=1M/pool:low=0x2:scope=all/page')).toEqual([
      { kind: 'accounting', limitBytes: 1048576 },
      { kind: 'pool', low: 2, high: 256, batch: 32, scope: 'all' },
      { kind: 'page' },
    ]);
  });

  it.each([
    ['poool', 'allocator'],
    ['page/pool', 'allocator'],
    ['reserve/reserve', 'allocator'],
    ['pool:low=-1', 'allocator.pool.low'],
    ['pool:size=3', 'allocator.pool.size'],
    ['pool:low', 'allocator.pool'],
    ['pool:low=8:low=9', 'allocator.pool'],
    ['pool:kind=page', 'allocator.pool'],
    ['pool:__proto__=1', 'allocator.pool'],
    ['carve-out:size=100', 'allocator.carve-out.size'],
    ['', 'allocator'],
  ])('refuses %s and names the field', (spec, field) => {
    expect(() => parseStackSpec(spec)).toThrow(ConfigError);
    try {
      parseStackSpec(spec);
    } catch (error) {
      expect((error as ConfigError).field).toBe(field);
    }
  });

  it('refuses a region that nobody has found a place for', () => {
    const memory = new FlatMemory(1 << 20);
    expect(() =>
      createAllocatorStack('carve-out', { system: new FakeSystem(memory), memory, tableSize: TABLE }),
    ).toThrow(/allocator.carve-out.base/);
  });

  it.each([
    ['pool:low=-1', 'at least 0'],
    ['pool:low=x', 'a number'],
    ['pool:low=1.5', 'a whole number'],
    ['pool:size=3', 'no such option; the options are low, high, batch, scope'],
    ['page:size=3', 'no such option; the options are none'],
    ['sizing:policy=big', 'whole-page, exact, slab'],
    ['carve-out:base=5', 'a multiple of 4096'],
    ['failing:fraction=2', 'at most 1'],
  ])('says what is allowed instead of %s', (spec, allowed) => {
    try {
      parseStackSpec(spec);
      throw new Error('not refused');
    } catch (error) {
      expect((error as ConfigError).allowed).toBe(allowed);
    }
  });

  it('refuses pool watermarks that contradict each other', () => {
    expect(() => rig('pool:low=8:high=16:batch=32')).toThrow(/pool.high/);
  });
});

describe('every stack', () => {
  const specs = [
    'page',
    'pool',
    'pool:low=0:batch=0',
    'pool:low=2:high=6:batch=3:scope=all',
    'batch',
    'batch:tables=3/pool:low=1:high=4:batch=2',
    'generic-cache',
    'generic-cache:limitBytes=16K',
    'reserve',
    'accounting/pool:low=1:high=8:batch=4/page',
    'accounting/generic-cache/batch:tables=5',
    'sizing:policy=slab/pool',
    'sizing:policy=whole-page',
    'failing:fraction=0.2/pool:low=0:high=4:batch=2',
    'carve-out:base=0x800000:size=1M',
    'pool:low=0:high=4:batch=2/failing:fraction=0.3/carve-out:base=0x801000:size=64K',
  ];

  it.each(specs)(
    '%s: gives distinct, aligned, zeroed blocks, loses none, and takes less from the system than it admits',
    (spec) => {
      const sizes = [TABLE, TABLE, TABLE, TABLE, 64, 512, 2 * TABLE];
      const step = fc.record({
        free: fc.boolean(),
        size: fc.constantFrom(...sizes),
        owner: fc.constantFrom('a', 'b'),
        pick: fc.nat(),
        pressure: fc.integer({ min: 0, max: 30 }),
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
          const { stack, system, memory, findings } = rig(spec);
          const blocks: { pa: number; size: number; owner: string }[] = [];
          let given = 0;
          for (const { free, size, owner, pick, pressure } of steps) {
            if (pressure === 0) stack.shrink(8 * TABLE);
            if (free && blocks.length > 0) {
              const [block] = blocks.splice(pick % blocks.length, 1);
              if (block === undefined) throw new Error('no block');
              memory.words[block.pa / 4] = 0x1234;
              stack.free(block.owner, block.pa, block.size);
              continue;
            }
            const pa = stack.alloc(owner, size, ZEROED);
            if (pa < 0) continue;
            given++;
            expect(pa % size).toBe(0);
            expect(memory.isZero(pa, size)).toBe(true);
            for (const other of blocks) expect(pa + size <= other.pa || other.pa + other.size <= pa).toBe(true);
            blocks.push({ pa, size, owner });
          }
          const { total } = stack.report();
          expect(total.allocations).toBe(given);
          expect(total.frees).toBe(given - blocks.length);
          for (const { pa, size, owner } of blocks) stack.free(owner, pa, size);
          expect(stack.close()).toBe(0);
          expect(findings).toEqual([]);
          expect(system.live.size).toBe(0);
          for (const layer of stack.layers) {
            expect([layer.kind, layer.stats.liveBytes, layer.stats.heldBytes, layer.stats.wastedBytes]).toEqual([
              layer.kind,
              0,
              0,
              0,
            ]);
            expect(layer.stats.frees).toBe(layer.stats.allocations);
          }
        }),
        { numRuns: 25 },
      );
    },
  );

  it.each(specs.filter((spec) => !spec.includes('carve-out')))(
    '%s: refuses cleanly when the system has nothing',
    (spec) => {
      const { stack, system, findings } = rig(spec);
      system.left = 0;
      expect(stack.alloc('a', TABLE, ZEROED)).toBe(-1);
      expect(stack.report().total.failures).toBe(1);
      system.left = 1;
      expect(take(stack, 30).filter((pa) => pa >= 0)).toHaveLength(1);
      expect(findings).toEqual([]);
    },
  );
});

describe('what a stack reports', () => {
  it('names the layers and adds their time up', () => {
    const { stack } = rig('accounting/pool');
    take(stack, 3);
    const report = stack.report();
    expect(report.stack).toBe('accounting/pool/page');
    expect(report.layers.map(({ kind }) => kind)).toEqual(['checked', 'accounting', 'pool', 'page']);
    expect(report.total.cycles).toBeCloseTo(report.layers.reduce((sum, layer) => sum + layer.cycles, 0));
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('finds the operation in which allocation cost most', () => {
    const { stack } = rig('batch:tables=4');
    for (let operation = 1; operation <= 6; operation++) {
      stack.beginOperation(operation, 1, 'a');
      take(stack, operation === 3 ? 3 : 1);
      stack.endOperation();
    }
    const { total } = stack.report();
    expect(total.worstOperation).toBe(3);
    expect(total.worstOperationCycles).toBeGreaterThan(3 * 256);
    expect(total.worstOperationCycles).toBeLessThan(total.cycles);
  });

  it('charges what the system says it spent, when it says so', () => {
    const memory = new FlatMemory(1 << 20);
    const fake = new FakeSystem(memory);
    let cycles = 0;
    const system = {
      get cycles() {
        return cycles;
      },
      alloc: () => {
        cycles += 777;
        return fake.alloc(TABLE);
      },
      free: () => {},
    };
    const stack = createAllocatorStack('page', { system, memory, tableSize: TABLE });
    stack.alloc('a', TABLE, Gfp.KERNEL);
    expect(stack.report().total.cycles).toBe(777);
  });

  it('is the same for the same requests', () => {
    const run = () => {
      const { stack } = rig('failing:fraction=0.3:seed=9/pool');
      take(stack, 50);
      return stack.report();
    };
    expect(run()).toEqual(run());
  });
});

describe('misuse', () => {
  it('a double free is a finding with the operation number, and does not reach the pool', () => {
    const { stack, findings } = rig('pool:low=0:batch=0');
    const pa = stack.alloc('a', TABLE, ZEROED);
    stack.free('a', pa, TABLE);
    stack.context.operation = 42;
    stack.free('a', pa, TABLE);
    expect(findings).toMatchObject([{ kind: 'double-free', operation: 42, pa, size: TABLE }]);
    const [first, second] = take(stack, 2);
    expect(first).not.toBe(second);
  });

  it('a free with the wrong size, the wrong cookie or of a foreign block is a finding, and the block stays', () => {
    const { stack, findings } = rig('page');
    const pa = stack.alloc('a', TABLE, ZEROED);
    stack.free('a', pa, 2 * TABLE);
    stack.free('b', pa, TABLE);
    stack.free('a', 0x700000, TABLE);
    expect(findings.map(({ kind }) => kind)).toEqual(['wrong-size', 'wrong-cookie', 'unknown-free']);
    stack.free('a', pa, TABLE);
    expect(findings).toHaveLength(3);
  });

  it('what is never freed is a leak', () => {
    const { stack, findings } = rig('generic-cache');
    const [a, b, c] = take(stack, 3);
    stack.free('a', b ?? 0, TABLE);
    expect(stack.close()).toBe(2);
    expect(findings.map(({ kind, pa }) => [kind, pa])).toEqual([
      ['leak', a],
      ['leak', c],
    ]);
  });

  it('asking the system in a phase without allocation is a finding; living off the pool is not', () => {
    const { stack, findings } = rig('pool:low=1:high=8:batch=4');
    take(stack, 1);
    stack.context.noAllocation = true;
    stack.context.operation = 5;
    take(stack, 3);
    expect(findings).toEqual([]);
    expect(take(stack, 1)[0]).toBeGreaterThan(0);
    expect(findings).toMatchObject([{ kind: 'allocation-in-run', operation: 5 }]);
  });
});

describe('memory pressure inside an allocation', () => {
  it.each(['pool:low=0:high=20:batch=6', 'batch:tables=6', 'generic-cache', 'reserve/pool:low=2:high=9:batch=4'])(
    '%s: the stock may shrink, tables be freed and others allocated, and none is lost or given out twice',
    (spec) => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 150 }), (steps) => {
          const memory = new FlatMemory(8 << 20);
          const fake = new FakeSystem(memory);
          const findings: AllocatorFinding[] = [];
          const live: number[] = [];
          let depth = 0;
          // Whenever the system is asked, reclaim comes back into the very stack that asks.
          const reclaim = (): void => {
            if (depth > 0) return;
            depth++;
            stack.shrink(3 * TABLE);
            const freed = live.splice(0, 2);
            for (const pa of freed) stack.free('a', pa, TABLE);
            if (fake.calls % 3 === 0) take(1);
            stack.shrink(TABLE);
            depth--;
          };
          const stack: AllocatorStack = createAllocatorStack(spec, {
            system: {
              alloc: (size) => {
                reclaim();
                return fake.alloc(size);
              },
              allocBulk: (size, count, gfp, out, at) => {
                const got = fake.allocBulk(size, count, gfp, out, at);
                reclaim();
                return got;
              },
              free: (pa, size) => fake.free(pa, size),
              get cycles() {
                return fake.cycles;
              },
            },
            memory,
            tableSize: TABLE,
            onFinding: (finding) => findings.push(finding),
          });
          const start = fake.cycles;
          const take = (count: number): void => {
            for (let i = 0; i < count; i++) {
              const pa = stack.alloc('a', TABLE, ZEROED);
              expect(live).not.toContain(pa);
              expect(memory.isZero(pa, TABLE)).toBe(true);
              live.push(pa);
            }
          };
          for (const step of steps) {
            if (step < 60) take(1);
            else if (live.length > 0) stack.free('a', live.splice(step % live.length, 1)[0] ?? -1, TABLE);
          }
          for (const pa of live.splice(0)) stack.free('a', pa, TABLE);
          expect(stack.close()).toBe(0);
          expect(findings).toEqual([]);
          expect(fake.live.size).toBe(0);
          // What the system spends is charged once, also where one call to it runs inside another.
          const bottom = stack.layers[stack.layers.length - 1];
          expect(bottom?.stats.cycles).toBe(fake.cycles - start + 256 * ((bottom?.stats.zeroedBytes ?? 0) / TABLE));
        }),
        { numRuns: 40 },
      );
    },
  );
});

describe('the list of layers', () => {
  it('names every layer with its options and their defaults', () => {
    expect(layerOptions('pool')).toEqual(['low=8', 'high=256', 'batch=32', 'scope=owner']);
    expect(layerOptions('carve-out')).toEqual(['base=', 'size=16777216']);
    expect(layerOptions('page')).toEqual([]);
    for (const kind of Object.keys(LAYERS)) {
      expect(parseStackSpec(kind)[0]?.kind).toBe(kind);
    }
  });
});
