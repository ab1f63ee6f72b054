import { describe, expect, it } from 'vitest';
import { fileSources, type MissCurveReport, MissCurves, Replay, readRunConfig } from '../../../traces/index.ts';

const CAPTURE = 'traces/samples/small-strict.ftrace.txt.gz';
const SIZES = [1, 2, 3, 5, 8, 16, 31, 64, 200, 512];

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
  it.each(['microTlb', 'mainTlb'] as const)('are those of the simulated %s at ten sizes', async (which) => {
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
