/** Random sequences on every LPAE format, against a plain map of pages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Errno,
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  PageCutter,
  Prot,
  Quirk,
  type SplitPolicy,
  WarningCode,
} from '../../../formats/index.ts';
import { type CaseCall, writeCase } from '../../traces/conformance/write-case.ts';
import { LpaeRig } from '../lpae-rig.ts';
import { type Extent, merge, PageModel } from './page-model.ts';

const K4 = 2 ** 12 + 2 ** 21 + 2 ** 30;
const K16 = 2 ** 14 + 2 ** 25;
const K64 = 2 ** 16 + 2 ** 29;

/** Every format with every granule and number of levels that it has. */
const SHAPES: readonly Pick<IoPgtableConfig, 'format' | 'pageSizes' | 'ias' | 'oas'>[] = [
  ...(['ARM_64_LPAE_S1', 'ARM_64_LPAE_S2'] as const).flatMap((format) => [
    ...[32, 39, 40, 44, 48].map((ias) => ({ format, pageSizes: K4, ias, oas: 48 })),
    ...[36, 42, 47, 48].map((ias) => ({ format, pageSizes: K16, ias, oas: 48 })),
    ...[36, 42, 48].map((ias) => ({ format, pageSizes: K64, ias, oas: 48 })),
    { format, pageSizes: K64, ias: 52, oas: 52 },
    { format, pageSizes: 2 ** 12, ias: 39, oas: 40 },
  ]),
  { format: 'ARM_32_LPAE_S1', pageSizes: K4, ias: 32, oas: 40 },
  { format: 'ARM_32_LPAE_S2', pageSizes: K4, ias: 40, oas: 40 },
  { format: 'ARM_MALI_LPAE', pageSizes: K4, ias: 32, oas: 40 },
  { format: 'ARM_MALI_LPAE', pageSizes: K4, ias: 48, oas: 40 },
];

const configuration = fc.record({
  shape: fc.constantFrom(...SHAPES),
  coherentWalk: fc.boolean(),
  linux: fc.constantFrom('6.12' as const, '6.1' as const),
  upperHalf: fc.boolean(),
  split: fc.constantFrom<SplitPolicy>('in-place', 'unmap-and-remap', 'in-place', 'refuse', 'unmap-and-remap'),
  contiguous: fc.boolean(),
});

type Configuration = typeof configuration extends fc.Arbitrary<infer T> ? T : never;

function toConfig({ shape, coherentWalk, linux, upperHalf, split, contiguous }: Configuration): IoPgtableConfig {
  const stageOne = shape.format === 'ARM_64_LPAE_S1' || shape.format === 'ARM_32_LPAE_S1';
  const quirks = upperHalf && stageOne ? Quirk.ARM_TTBR1 : 0;
  const hint = contiguous && shape.format !== 'ARM_MALI_LPAE';
  return { ...shape, coherentWalk, linux, split, contiguous: hint, quirks, tlb: null };
}

/** What the driver is asked to do. Places and lengths are made concrete by the table's page sizes. */
const operation = fc.record({
  kind: fc.constantFrom(
    'map',
    'map',
    'map',
    'unmap',
    'unmap',
    'unmap-inside',
    'unmap-inside',
    'map-again',
    'map-without-memory',
  ),
  /** Which neighbourhood: the bottom, both sides of a leaf boundary of each size, the top. */
  place: fc.nat(7),
  /** Distance from there, in smallest pages. */
  distance: fc.integer({ min: -40, max: 40 }),
  /** Length as a number of pages of the size that `unit` picks. */
  count: fc.integer({ min: 1, max: 40 }),
  unit: fc.nat(2),
  /** Whether the physical address is aligned as the iova is, so that blocks fit. */
  aligned: fc.boolean(),
  pa: fc.nat(63),
  prot: fc.integer({ min: 1, max: 63 }).filter((prot) => (prot & (Prot.READ | Prot.WRITE)) !== 0),
  gather: fc.constantFrom('normal' as const, 'null' as const, 'queued' as const),
  failAfter: fc.integer({ min: 1, max: 4 }),
});

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** How often the sequences came to what they are meant to try. */
const reached = { splits: 0, remaps: 0, refusals: 0, runs: 0, failures: 0 };

/** A driver on a table, with the model beside it, that writes down every call it makes. */
class Driver {
  readonly rig = new LpaeRig();
  readonly table: IoPgtable;
  readonly model = new PageModel();
  readonly calls: CaseCall[] = [];
  readonly #sizes: number[];
  readonly #cutter: PageCutter;

  constructor(config: IoPgtableConfig) {
    this.table = this.rig.table(config);
    const { pageSizes } = this.table.config;
    this.#sizes = [12, 14, 16, 21, 25, 29, 30, 42]
      .map((bit) => 2 ** bit)
      .filter((size) => Math.floor(pageSizes / size) % 2 === 1);
    this.#cutter = new PageCutter(pageSizes);
  }

  run(asked: Operation): void {
    const { iova, pa, size } = asked.kind === 'unmap-inside' ? this.#inside(asked) : this.#locate(asked);
    if (size <= 0) return;
    if (asked.kind === 'unmap' || asked.kind === 'unmap-inside') this.#unmap(iova, size, asked.gather);
    else if (asked.kind === 'map-again') this.#mapAgain(asked);
    else this.#map(iova, pa, size, asked);
    // Each probe moves the cursor too.
    for (const probe of [iova, iova + size - 1, iova + size, iova - 1, iova + Math.floor(size / 2) + 5]) {
      if (probe >= 0 && probe < 2 ** this.table.config.ias) this.#probe(probe);
    }
    if (!this.table.config.coherentWalk) expect(this.rig.staleDescriptor()).toBe(null);
  }

  #locate(asked: Operation): { iova: number; pa: number; size: number } {
    const page = this.#sizes[0] ?? 4096;
    const end = 2 ** this.table.config.ias;
    const unit = this.#sizes[asked.unit % this.#sizes.length] ?? page;
    const bases = [0, page * 64, ...this.#sizes.flatMap((size) => [size, size * 4]), end / 2, end];
    const base = bases[asked.place % bases.length] ?? 0;
    const wanted = base + asked.distance * page;
    const iova = Math.floor(Math.min(Math.max(wanted, 0), end - page) / page) * page;
    // Few of the largest blocks, so that ends of sequences can be compared page by page.
    const count = unit === page ? asked.count : Math.ceil(asked.count / 10);
    const largest = this.#sizes.at(-1) ?? page;
    // Where blocks cannot fit, a large mapping would be all small pages.
    const most = asked.aligned || asked.kind === 'unmap' ? count * unit : Math.min(count * unit, 600 * page);
    const size = Math.min(most, end - iova);
    const pa = asked.aligned ? (1 + asked.pa) * largest + (iova % largest) : asked.pa * page + page;
    const limit = 2 ** this.table.config.oas;
    return { iova, pa: Math.floor((pa % (limit / 2)) / page) * page, size };
  }

  /** A few of the smallest pages somewhere in what is mapped: in a block, if it is one. */
  #inside(asked: Operation): { iova: number; pa: number; size: number } {
    const { extents } = this.model;
    const extent = extents[asked.place % Math.max(extents.length, 1)];
    const page = this.#sizes[0] ?? 4096;
    if (extent === undefined) return { iova: 0, pa: 0, size: 0 };
    const pages = (extent.end - extent.start) / page;
    const first = (asked.pa * 8209 + asked.distance + 40) % pages;
    return { iova: extent.start + first * page, pa: 0, size: Math.min(asked.count, pages - first) * page };
  }

  #map(start: number, startPa: number, size: number, asked: Operation): void {
    if (!this.model.isFree(start, size)) return;
    if (asked.kind === 'map-without-memory') this.rig.failAfter = asked.failAfter;
    let done = 0;
    while (done < size) {
      this.#cutter.choose(start + done, startPa + done, size - done);
      const { pageSize, count } = this.#cutter;
      const call = { op: 'map', iova: start + done, pa: startPa + done, pageSize, count, prot: asked.prot } as const;
      this.calls.push(call);
      const result = this.table.mapPages(call.iova, call.pa, pageSize, count, call.prot, Gfp.KERNEL);
      this.model.map(start + done, startPa + done, this.table.mapped);
      done += this.table.mapped;
      if (result !== 0) {
        reached.failures++;
        expect([asked.kind, result]).toEqual(['map-without-memory', -Errno.ENOMEM]);
        break;
      }
      expect(this.table.mapped).toBeGreaterThan(0);
    }
    this.rig.failAfter = 0;
    expect(this.rig.warnings).toEqual([]);
  }

  /** A page that is mapped cannot be mapped again, whatever maps it. */
  #mapAgain(asked: Operation): void {
    const extent = this.model.extents[asked.count % Math.max(this.model.extents.length, 1)];
    const page = this.#sizes[0] ?? 4096;
    if (extent === undefined) return;
    const call = {
      op: 'map',
      iova: extent.start,
      pa: asked.pa * page,
      pageSize: page,
      count: 1,
      prot: asked.prot,
    } as const;
    this.calls.push(call);
    expect(this.table.mapPages(call.iova, call.pa, page, 1, call.prot, Gfp.KERNEL)).toBe(-Errno.EEXIST);
    expect(this.rig.warnings.splice(0).length).toBe(1);
  }

  #unmap(start: number, size: number, gather: 'normal' | 'null' | 'queued'): void {
    const holes: string[] = [WarningCode.UNMAP_HOLE];
    let done = 0;
    while (done < size) {
      this.#cutter.choose(start + done, start + done, size - done);
      const { pageSize, count } = this.#cutter;
      this.calls.push({ op: 'unmap', iova: start + done, pageSize, count, gather });
      const iotlb = { start: Number.MAX_SAFE_INTEGER, end: 0, pageSize: 0, queued: gather === 'queued' };
      const unmapped = this.table.unmapPages(start + done, pageSize, count, gather === 'null' ? null : iotlb);
      const warnings = this.rig.warnings.splice(0);
      expect(unmapped % pageSize).toBe(0);
      if (unmapped === 0) {
        expect(warnings.length).toBe(1);
        if (warnings[0] === WarningCode.SPLIT_REFUSED) {
          reached.refusals++;
          expect(this.table.config.split).toBe('refuse');
        } else {
          expect(holes).toContain(warnings[0]);
          expect(this.model.isFree(start + done, pageSize)).toBe(true);
        }
      }
      this.model.unmap(start + done, unmapped);
      done += unmapped;
      if (unmapped > 0) continue;
      // Over a hole: on to what is mapped next.
      const next = this.model.extents.find(({ end }) => end > start + done + pageSize);
      if (next === undefined) break;
      done = Math.max(done + pageSize, next.start - start);
    }
  }

  #probe(iova: number): void {
    this.calls.push({ op: 'iova_to_phys', iova });
    const found = this.table.iovaToPhys(iova);
    const wanted = this.model.lookup(iova);
    if (found !== wanted) expect({ iova, pa: found }).toEqual({ iova, pa: wanted });
  }

  /** Compares everything that is mapped, and every table, with what should be there. */
  checkAll(): void {
    const leaves: Extent[] = [];
    this.table.visitLeaves((iova, pa, size) => leaves.push({ start: iova, end: iova + size, pa }));
    expect(merge(leaves)).toEqual(this.model.extents);
    this.#checkRuns();
    const reachable: [number, number][] = [];
    this.table.visitTables((pa, _level, size) => reachable.push([pa, Math.max(size, 4096)]));
    expect(reachable.toSorted()).toEqual([...this.rig.live].toSorted());
    expect(this.table.liveTables).toBe(this.rig.live.size);
  }

  /** The contiguous hint is on whole runs only: aligned, leading to consecutive memory, alike. */
  #checkRuns(): void {
    const { contiguous } = this.table.config;
    const lengths: Record<number, number[]> = { 12: [0, 16, 16, 16], 14: [0, 0, 32, 128], 16: [0, 0, 32, 32] };
    let left = 0;
    let expected: number[] = [];
    this.table.visitLeaves((iova, pa, size, level, low, high) => {
      if ((high & 0x100000) === 0) {
        if (left !== 0) expect(left).toBe(0);
        return;
      }
      expect(contiguous).toBe(true);
      const length = lengths[this.table.geometry.granuleShift]?.[level] ?? 0;
      if (left === 0) {
        reached.runs++;
        expect([iova % (length * size), pa % (length * size)]).toEqual([0, 0]);
        left = length;
      } else {
        const [nextIova, nextPa, lowBits, highBits] = expected;
        const follows = iova === nextIova && pa === nextPa && (low & 0xfff) === lowBits && high >>> 20 === highBits;
        if (!follows) expect([iova, pa, low & 0xfff, high >>> 20]).toEqual(expected);
      }
      expected = [iova + size, pa + size, low & 0xfff, high >>> 20];
      left--;
    });
    expect(left).toBe(0);
  }

  finish(): void {
    const { stats } = this.table;
    reached.splits += this.table.config.split === 'in-place' ? stats.blockSplits : 0;
    reached.remaps += this.table.config.split === 'unmap-and-remap' ? stats.blockSplits : 0;
    this.table.free();
    expect(this.rig.live.size).toBe(0);
    expect(this.table.liveTables).toBe(0);
  }
}

function check(chosen: Configuration, operations: readonly Operation[]): void {
  const config = toConfig(chosen);
  const driver = new Driver(config);
  try {
    for (const asked of operations) driver.run(asked);
    driver.checkAll();
    driver.finish();
  } catch (error) {
    const note = error instanceof Error ? error.message : String(error);
    const vector = writeCase('counterexample', note.slice(0, 500), config, driver.calls);
    throw new Error(`${note}\nThe calls as a conformance case:\n${JSON.stringify(vector)}`, { cause: error });
  }
}

describe('an LPAE table and a plain map of pages', () => {
  it('agree after any sequence, with each live table reachable once and none left after teardown', () => {
    fc.assert(fc.property(configuration, fc.array(operation, { maxLength: 40, size: 'max' }), check), {
      numRuns: 140,
      seed: 1,
    });
  });

  for (const [seed, shape] of SHAPES.entries()) {
    it(`agree for ${shape.format}, ias ${shape.ias}, page sizes 0x${shape.pageSizes.toString(16)}`, () => {
      const here = configuration.map((chosen) => ({ ...chosen, shape }));
      fc.assert(fc.property(here, fc.array(operation, { maxLength: 40, size: 'max' }), check), { numRuns: 6, seed });
    });
  }

  it('was tried on splits, remaps, refused splits, contiguous runs and allocations that fail', () => {
    for (const count of Object.values(reached)) expect(count).toBeGreaterThan(60);
  });
});
