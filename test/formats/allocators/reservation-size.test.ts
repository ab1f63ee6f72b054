import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobClock, RangeEditor, VmBind } from '../../../devices/index.ts';
import {
  type AllocatorStack,
  allocIoPgtable,
  createAllocatorStack,
  Gfp,
  type IoPgtable,
  type IoPgtableFormat,
  lpaeGeometry,
  mapReservation,
  Prot,
  replaceReservation,
  type SplitPolicy,
  unmapReservation,
} from '../../../formats/index.ts';
import { FakeSystem, FlatMemory } from './fake-system.ts';

const K = 2 ** 10;
const M = 2 ** 20;
const G = 2 ** 30;
const T = 2 ** 40;

const mali = lpaeGeometry({ ias: 48, granuleShift: 12, concatenate: false, fourLevels: true });

describe('the worst case of a map, 4 KiB granule and 48 bits', () => {
  it.each([
    ['one page', 0, 4 * K, 3],
    ['a page on either side of 2 MiB', 2 * M - 4 * K, 8 * K, 4],
    ['a page on either side of 1 GiB', G - 4 * K, 8 * K, 5],
    ['a page on either side of 512 GiB', 512 * G - 4 * K, 8 * K, 6],
    ['two whole 2 MiB blocks', 2 * M, 4 * M, 4],
    ['one whole GiB', G, G, 1 + 1 + 512],
    ['nothing, which can still build the way down', 0, 0, 3],
  ])('%s: the spans of 512 GiB, 1 GiB and 2 MiB touched', (_what, iova, size, tables) => {
    expect(mapReservation(mali, iova, size)).toBe(tables);
  });
});

describe('the worst case of an unmap', () => {
  const pages = 4 * K + 2 * M;

  it.each([
    ['whole blocks', 2 * M, 4 * M, 0],
    ['an unaligned start', 2 * M + 4 * K, 4 * M - 4 * K, 1],
    ['an unaligned end', 2 * M, 2 * M + 4 * K, 1],
    ['both ends unaligned in different blocks', 4 * K, 4 * M, 2],
    ['both ends unaligned in the same block', 4 * K, 8 * K, 1],
  ])('with 4 KiB and 2 MiB pages, %s: one table per block that may be cut', (_what, iova, size, tables) => {
    expect(unmapReservation(mali, pages, iova, size)).toBe(tables);
  });

  it('with 1 GiB blocks too, a small page cuts a block twice', () => {
    expect(unmapReservation(mali, pages + G, 4 * K, 4 * K)).toBe(2);
    expect(unmapReservation(mali, pages + G, 2 * M, 2 * M)).toBe(1);
    expect(unmapReservation(mali, pages + G, 4 * K, G)).toBe(4);
    expect(unmapReservation(mali, pages + G, G, G)).toBe(0);
  });

  it('what goes of a cut block goes page by page where a size is missing', () => {
    expect(unmapReservation(mali, 4 * K + G, 4 * K, 16 * M)).toBe(1 + 9);
    expect(unmapReservation(mali, 4 * K + G, G + 4 * K, G)).toBe(2 + 513);
    expect(unmapReservation(mali, 4 * K + G, 4 * K, 3 * G)).toBe(2 + 513);
  });

  it('what stays of a block that is mapped again needs the tables of a size that is missing', () => {
    expect(unmapReservation(mali, 4 * K + G, 4 * K, 4 * K, 'in-place')).toBe(2);
    expect(unmapReservation(mali, 4 * K + G, 4 * K, 4 * K, 'unmap-and-remap')).toBe(1 + 512);
    expect(unmapReservation(mali, 4 * K + G, 0, 512 * M, 'unmap-and-remap')).toBe(1 + 256);
    expect(unmapReservation(mali, 4 * K + G, 0, G, 'unmap-and-remap')).toBe(0);
    expect(unmapReservation(mali, pages + G, 4 * K, 4 * K, 'unmap-and-remap')).toBe(2);
    expect(replaceReservation(mali, 4 * K + G, 4 * K, 4 * K, 'unmap-and-remap')).toBe(1 + 1 + 512);
    expect(replaceReservation(mali, pages + G, 4 * K, 4 * K, 'unmap-and-remap')).toBe(3);
  });

  it('without blocks there is nothing to split', () => {
    expect(unmapReservation(mali, 4 * K, 4 * K, G)).toBe(0);
  });
});

describe('the worst case with other shapes', () => {
  it('a table that begins at the last level needs no further one', () => {
    const flat = lpaeGeometry({ ias: 20, granuleShift: 12, concatenate: false, fourLevels: false });
    expect(mapReservation(flat, 0, M)).toBe(0);
  });

  it('concatenated stage 2 saves the first level', () => {
    const shape = { ias: 40, granuleShift: 12, fourLevels: false };
    expect(mapReservation(lpaeGeometry({ ...shape, concatenate: false }), 0, 4 * K)).toBe(3);
    expect(mapReservation(lpaeGeometry({ ...shape, concatenate: true }), 0, 4 * K)).toBe(2);
  });

  it('spans grow with the granule', () => {
    const sixteen = lpaeGeometry({ ias: 48, granuleShift: 14, concatenate: false, fourLevels: false });
    expect(mapReservation(sixteen, 32 * M - 16 * K, 32 * K)).toBe(1 + 1 + 2);
    expect(unmapReservation(sixteen, 16 * K + 32 * M, 16 * K, 32 * M)).toBe(2);
    const sixtyFour = lpaeGeometry({ ias: 52, granuleShift: 16, concatenate: false, fourLevels: false });
    expect(mapReservation(sixtyFour, 4 * T - 64 * K, 128 * K)).toBe(2 + 2);
  });
});

/** One for all runs: clearing 64 MiB each time would cost more than the test. */
const memory = new FlatMemory(64 << 20);

interface Shape {
  readonly format: IoPgtableFormat;
  readonly ias: number;
  readonly sizes: readonly number[];
}

const SHAPES: readonly Shape[] = [
  { format: 'ARM_64_LPAE_S1', ias: 48, sizes: [4 * K, 2 * M, G] },
  { format: 'ARM_64_LPAE_S1', ias: 39, sizes: [4 * K, 2 * M] },
  { format: 'ARM_64_LPAE_S1', ias: 32, sizes: [4 * K] },
  { format: 'ARM_64_LPAE_S1', ias: 48, sizes: [4 * K, G] },
  { format: 'ARM_64_LPAE_S1', ias: 48, sizes: [16 * K, 32 * M] },
  { format: 'ARM_64_LPAE_S1', ias: 36, sizes: [16 * K, 32 * M] },
  { format: 'ARM_64_LPAE_S1', ias: 48, sizes: [64 * K, 512 * M] },
  { format: 'ARM_64_LPAE_S1', ias: 42, sizes: [64 * K, 512 * M] },
  { format: 'ARM_64_LPAE_S2', ias: 40, sizes: [4 * K, 2 * M, G] },
  { format: 'ARM_64_LPAE_S2', ias: 40, sizes: [16 * K, 32 * M] },
  { format: 'ARM_32_LPAE_S1', ias: 32, sizes: [4 * K, 2 * M, G] },
  { format: 'ARM_MALI_LPAE', ias: 48, sizes: [4 * K, 2 * M, G] },
  { format: 'ARM_MALI_LPAE', ias: 40, sizes: [4 * K, 2 * M] },
];

function tableOf(shape: Shape, stack: AllocatorStack, split: SplitPolicy): IoPgtable {
  return allocIoPgtable(
    {
      format: shape.format,
      pageSizes: shape.sizes.reduce((sum, size) => sum + size, 0),
      ias: shape.ias,
      oas: shape.format.startsWith('ARM_64') ? 48 : 40,
      allocator: stack,
      split,
    },
    {
      memory,
      dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
      pages: { alloc: () => -1, free: () => {} },
      warn: () => {},
    },
    'vm',
  );
}

/** Places where the count changes: near the edges of the largest block and of the page above it. */
const step = fc.record({
  map: fc.boolean(),
  block: fc.integer({ min: 0, max: 3 }),
  page: fc.integer({ min: -3, max: 3 }),
  middle: fc.integer({ min: 0, max: 2 }),
  pages: fc.integer({ min: 0, max: 6 }),
  blocks: fc.integer({ min: 0, max: 2 }),
  skew: fc.boolean(),
});

/** A block, a page of it unmapped, then all of it: the rest goes page by page where a size is missing. */
const nothing = { map: false, block: 0, page: 0, middle: 0, pages: 0, blocks: 0, skew: false };
const CUT_THEN_WHOLE = [
  { ...nothing, map: true, block: 3, blocks: 1 },
  { ...nothing, block: 3 },
  { ...nothing, block: 3, blocks: 1 },
];

describe.each(['in-place', 'unmap-and-remap'] as SplitPolicy[])('with %s splits', (split) => {
  it.each(SHAPES)(
    '$format, $ias bits, pages of $sizes: no operation on any tree needs more than was reserved',
    (shape) => {
      const [page = 4 * K] = shape.sizes;
      const middle = shape.sizes[1] ?? page;
      const block = shape.sizes[shape.sizes.length - 1] ?? page;
      // Without skew large blocks are mapped as blocks; their page counts stay small, so that the test does.
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
          const system = new FakeSystem(memory);
          const exhausted: string[] = [];
          const stack = createAllocatorStack('reserve', {
            system,
            memory,
            tableSize: page,
            onFinding: ({ kind, operation, detail }) => exhausted.push(`${operation}: ${kind}: ${detail}`),
          });
          const table = tableOf(shape, stack, split);
          const editor = new RangeEditor(table);
          steps.forEach((s, operation) => {
            const iova = Math.max(0, s.block * block + s.middle * middle + s.page * page);
            const blocks = s.skew || block / page > 8192 * 4 ? s.blocks % 2 : s.blocks;
            const size = Math.max(page, (s.skew && block > 64 * M ? 0 : blocks * block) + s.pages * page);
            if (iova + size > 2 ** shape.ias) return;
            const need = s.map
              ? mapReservation(table.geometry, iova, size)
              : unmapReservation(table.geometry, table.config.pageSizes, iova, size, split);
            expect(stack.beginOperation(operation, need, 'vm')).toBe(true);
            const pa = (s.skew ? page : iova % block) + 8 * block;
            if (s.map) editor.map(iova, pa % 2 ** 40, size, Prot.READ, Gfp.KERNEL);
            else editor.unmap(iova, size, null);
            stack.endOperation();
          });
          expect(exhausted).toEqual([]);
          table.free();
          expect(stack.close()).toBe(0);
          expect(system.live.size).toBe(0);
        }),
        { numRuns: 25 },
      );
    },
  );

  it.each(SHAPES)('$format, $ias bits, pages of $sizes: no VM_BIND job that replaces mappings does either', (shape) => {
    const [page = 4 * K] = shape.sizes;
    const middle = shape.sizes[1] ?? page;
    const block = shape.sizes[shape.sizes.length - 1] ?? page;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const system = new FakeSystem(memory);
        const exhausted: string[] = [];
        const allocator = createAllocatorStack('reserve', {
          system,
          memory,
          tableSize: page,
          onFinding: ({ kind, operation }) => exhausted.push(`${operation}: ${kind}`),
        });
        const table = tableOf(shape, allocator, split);
        const vm = new VmBind('vm', { table, allocator, cookie: 'vm', clock: new JobClock() });
        for (const s of steps) {
          const iova = Math.max(0, s.block * block + s.middle * middle + s.page * page);
          const blocks = s.skew && block > 64 * M ? 0 : s.blocks % 2;
          const size = Math.max(page, blocks * block + s.pages * page);
          if (iova + size > 2 ** shape.ias) continue;
          const pa = (s.skew ? page : iova % block) + 8 * block;
          vm.submit('q', { kind: s.map ? 'map' : 'unmap', iova, size, pa: pa % 2 ** 39, prot: Prot.READ });
        }
        vm.finish();
        expect(exhausted).toEqual([]);
        const { submitted, done } = vm.totals();
        expect(done).toBe(submitted);
        table.free();
        expect(allocator.close()).toBe(0);
      }),
      { numRuns: 25, examples: [[CUT_THEN_WHOLE]] },
    );
  });
});
