import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  type AssociativeCache,
  FixedContexts,
  Mmu,
  type MmuOptions,
  PRESETS,
  TranslationRequest,
} from '../../../emulator/index.ts';
import { Prng } from '../../../formats/index.ts';
import { fileSources, type MissCurveReport, MissCurves, Replay, readRunConfig } from '../../../traces/index.ts';
import { BLOCK_BYTES, PAGE_BYTES, ToyTable, toyRegime, WordMemory } from '../../emulator/mmu/toy-tables.ts';

const CAPTURE = 'traces/samples/small-strict.ftrace.txt.gz';
const SIZES = [1, 3, 16, 512];

function config(cache: 'microTlb' | 'mainTlb', entries: number, ways: number | 'full' = 'full') {
  const lru = { entries, ways, policy: 'lru' };
  const other = { entries: 1, ways: 'full', policy: 'lru' };
  const tlbs = { microTlb: other, mainTlb: other, [cache]: lru };
  return readRunConfig({
    preset: 'mmu-600-agilex5',
    access: { pattern: 'random', accessesPerMap: 8 },
    mmu: { tbu: tlbs },
  });
}

async function replayed(machine: ReturnType<typeof config>, sets: readonly number[] = []) {
  let curves: MissCurves | null = null;
  const replay = new Replay(fileSources([CAPTURE]), machine, {
    onStart: ({ machine: { device } }) => {
      curves = new MissCurves(device.mmu, { sets });
    },
  });
  await replay.run();
  return (curves as MissCurves | null)?.report([CAPTURE]) as MissCurveReport;
}

async function missesOf(machine: ReturnType<typeof config>, which: 'microTlb' | 'mainTlb'): Promise<number> {
  const replay = new Replay(fileSources([CAPTURE]), machine);
  await replay.run();
  return replay.replayer?.machine.device.mmu.counters()[which].misses ?? -1;
}

const missesAt = ({ cold, depths }: MissCurveReport['caches'][0], entries: number): number =>
  depths.reduce((sum, [depth, lookups]) => sum + (depth > entries ? lookups : 0), cold);

describe('miss curves of a replay, with its invalidations', () => {
  it.each(['microTlb', 'mainTlb'] as const)('are those of the simulated %s at four sizes', async (which) => {
    const { caches } = await replayed(config(which, 8));
    const name = which === 'microTlb' ? 'micro-TLB 0' : 'main TLB 0';
    const curve = caches.find((one) => one.name === name);
    expect(curve?.lookups).toBeGreaterThan(500);
    const simulated: number[] = [];
    for (const entries of SIZES) simulated.push(await missesOf(config(which, entries), which));
    expect(SIZES.map((entries) => missesAt(curve as MissCurveReport['caches'][0], entries))).toEqual(simulated);
    expect(new Set(simulated).size).toBeGreaterThan(2);
  });

  it('are those of set-associative TLBs', async () => {
    const { caches } = await replayed(config('mainTlb', 8), [4, 16]);
    const main = caches.find(({ name }) => name === 'main TLB 0');
    for (const { sets, hitRates } of main?.sets ?? []) {
      for (const ways of [1, 2, 4]) {
        const misses = await missesOf(config('mainTlb', sets * ways, ways), 'mainTlb');
        expect(Math.round((main?.lookups ?? 0) * (1 - (hitRates[ways - 1] ?? 0)))).toBe(misses);
      }
    }
  });
});

/** Which cache has how many entries; all others have {@link OTHERS}. */
interface Sized {
  readonly name: string;
  readonly entries: number;
  readonly policy?: 'lru' | 'plru' | 'round-robin' | 'random';
}

const OTHERS = 2;
const WALK_CACHES = ['walk S1L1', 'walk S1L2', 'walk S1L3', 'walk S2L1', 'walk S2L2', 'walk S2L3'];
const CACHES = ['micro-TLB 0', 'main TLB 0', 'IPA cache', ...WALK_CACHES];

/** An MMU for two nested stages, with the caches of MMU-600 and an IPA cache. */
function nestedOptions({ name, entries, policy = 'lru' }: Sized): MmuOptions {
  const sized = (one: string) =>
    one === name
      ? { enabled: true, entries, ways: 'full' as const, policy }
      : { enabled: true, entries: OTHERS, ways: 'full' as const, policy: 'lru' as const };
  // All levels have the same ways, so a level of any size is the only one.
  const isWalk = name.startsWith('walk');
  const levelOf = (stage: number, level: number) =>
    isWalk ? (name === `walk S${stage}L${level}` ? entries : 0) : OTHERS;
  const levels = (stage: number): [number, number, number, number] => [
    0,
    levelOf(stage, 1),
    levelOf(stage, 2),
    levelOf(stage, 3),
  ];
  const preset: MmuOptions = PRESETS['mmu-600-agilex5'];
  return {
    ...preset,
    tbu: { ...preset.tbu, microTlb: sized('micro-TLB 0'), mainTlb: sized('main TLB 0') },
    ipaCache: sized('IPA cache'),
    walkCache: {
      ...preset.walkCache,
      stage1: levels(1),
      stage2: levels(2),
      ways: isWalk ? entries : OTHERS,
      policy: 'lru',
    },
  };
}

/** Random accesses, near each other and far, through both stages, with invalidations of every kind in between. */
function translated(sized: Sized, options?: ConstructorParameters<typeof MissCurves>[1]) {
  const memory = new WordMemory();
  const stage2 = new ToyTable(memory, 0x8000_0000, 2);
  const tables = 2 * BLOCK_BYTES;
  const stage1 = new ToyTable(memory, tables, 1);
  stage2.mapBlock(2, tables);
  for (let page = 0; page < 512; page++) {
    for (const block of [0, 1]) {
      stage1.mapPage(block, page, block * BLOCK_BYTES + (511 - page) * PAGE_BYTES);
      stage2.mapPage(block, page, block * BLOCK_BYTES + page * PAGE_BYTES);
    }
  }
  const mmu = new Mmu(nestedOptions(sized), memory, new FixedContexts(toyRegime(stage1, stage2, 3, 7)));
  const curves = options === undefined ? null : new MissCurves(mmu, options);
  const random = new Prng(11);
  const request = new TranslationRequest();
  for (let at = 0; at < 1500; at++) {
    const page = random.chance(0.7) ? random.below(24) : random.below(1024);
    request.ask(0, 1, -1, page * PAGE_BYTES, AccessFlag.PRIVILEGED, 0);
    mmu.translate(request);
    if (random.chance(0.05)) mmu.invalidation.byAddress(random.below(24) * PAGE_BYTES, 3, 7, random.chance(0.5));
    if (random.chance(0.03)) mmu.invalidation.byIpa(random.below(1024) * PAGE_BYTES, 7, true);
    if (random.chance(0.003)) mmu.invalidation.byAsid(3, 7);
    if (random.chance(0.002)) mmu.invalidation.byVmid(7, true);
  }
  const { tbus, ipa, walk } = mmu.caches;
  const [tbu] = tbus;
  const caches = [tbu?.microTlb, tbu?.mainTlb, ipa, ...walk.arrays].filter((one) => one !== null && one !== undefined);
  const cache = caches.find((one) => one.name === sized.name) as AssociativeCache;
  return { cache, report: curves?.report(['accesses']) };
}

describe('miss curves of two nested stages', () => {
  it.each(CACHES)('are those of the simulated %s at ten sizes', (name) => {
    const { report } = translated({ name, entries: 4 }, {});
    const curve = report?.caches.find((one) => one.name === name) as MissCurveReport['caches'][0];
    const sizes = [1, 2, 3, 5, 8, 13, 21, 34, 50, 64];
    const simulated = sizes.map((entries) => translated({ name, entries }).cache.misses);
    expect(sizes.map((entries) => missesAt(curve, entries))).toEqual(simulated);
    // One entry of the first level covers all there is; the others have a curve.
    expect(new Set(simulated).size).toBeGreaterThan(name.endsWith('L1') ? 0 : 1);
  });

  it.each(['plru', 'round-robin', 'random'] as const)('simulate %s beside it as if it were configured', (policy) => {
    const { report } = translated({ name: 'main TLB 0', entries: 4 }, { policies: [policy], policySizes: [2, 16, 32] });
    const [curve] = report?.caches.find(({ name }) => name === 'main TLB 0')?.policies ?? [];
    for (const { entries, hitRate } of curve?.points ?? []) {
      const { cache } = translated({ name: 'main TLB 0', entries, policy });
      expect(hitRate).toBeCloseTo(1 - cache.misses / cache.lookups, 12);
    }
    expect(curve?.points).toHaveLength(3);
  });

  it('have the same curve for pages of the size that is mapped, and a better one for larger pages', () => {
    const { report } = translated({ name: 'main TLB 0', entries: 4 }, { pageShifts: [12, 16, 21] });
    const curve = report?.caches.find(({ name }) => name === 'main TLB 0') as MissCurveReport['caches'][0];
    const [small, middle, large] = curve.pageSizes;
    expect(small?.points.map(({ hitRate }) => hitRate)).toEqual(curve.points.map(({ hitRate }) => hitRate));
    for (const [at, { hitRate }] of (small?.points ?? []).entries()) {
      expect(middle?.points[at]?.hitRate).toBeGreaterThan(hitRate);
      expect(large?.points[at]?.hitRate).toBeGreaterThanOrEqual(middle?.points[at]?.hitRate ?? 1);
    }
  });

  it('are estimated from a sample within three of its standard errors', () => {
    const { report: exact } = translated({ name: 'main TLB 0', entries: 4 }, {});
    const { report } = translated({ name: 'main TLB 0', entries: 4 }, { sample: 0.5 });
    const [right, guess] = [exact, report].map((one) => one?.caches.find(({ name }) => name === 'main TLB 0'));
    expect(guess?.lookups).toBe(right?.lookups);
    expect(guess?.points.length).toBeGreaterThan(3);
    for (const { entries, hitRate, error } of guess?.points ?? []) {
      const one = right?.points.find((point) => point.entries === entries);
      expect(error).toBeGreaterThan(0);
      expect(Math.abs(hitRate - (one?.hitRate ?? 0))).toBeLessThan(3 * error);
    }
  });
});
