import { AccessFlag, type MmuOptions, PRESETS } from '../emulator/index.ts';
import { Prng } from '../formats/index.ts';
import { type AddressList, type MissCurveOptions, MissCurves, readRunConfig, runOnMap } from '../traces/index.ts';

const ACCESSES = 200_000;
const RUNS = 7;

/** Accesses near each other and far: a walk through a buffer, with strays. */
function accesses(pages: number): AddressList {
  const random = new Prng(3);
  const addresses = new Float64Array(ACCESSES);
  for (let at = 0; at < ACCESSES; at++) {
    const page = random.chance(0.6) ? at % 64 : random.below(pages);
    addresses[at] = page * 4096 + random.below(64) * 64;
  }
  return { addresses, upper: null };
}

/** What all sizes of every cache in one pass cost, against a run of the one size that is configured. */
export function printMissCurveCost(): void {
  const ways: readonly (readonly [string, MissCurveOptions])[] = [
    ['all sizes', {}],
    ['all sizes, 1 % of the pages', { sample: 0.01 }],
    ['all sizes, four page sizes', { pageShifts: [12, 16, 21, 30] }],
    ['all sizes, two numbers of sets', { sets: [16, 64] }],
  ];
  console.log('\nMiss curves: every cache at once, against one size simulated (median of pairs)');
  for (const preset of ['mmu-600-agilex5', 'mmu-700'] as const) {
    const mmu: MmuOptions = PRESETS[preset];
    for (const pages of [1024, 16_384]) {
      const list = accesses(pages);
      const config = readRunConfig({ preset, access: { pattern: 'none' }, mmu });
      const run = (options: MissCurveOptions | null): number => {
        const way = { streamId: 0, flags: AccessFlag.PRIVILEGED, size: 64, outstanding: 1, ids: 1, gap: 1 };
        let start = 0;
        runOnMap(
          config,
          { touched: 4096 },
          {
            ...way,
            list,
            onStart: (mmuOfRun) => {
              if (options !== null) new MissCurves(mmuOfRun, options);
              start = performance.now();
            },
          },
        );
        return performance.now() - start;
      };
      for (const [name, options] of ways) {
        const ratios = Array.from({ length: RUNS }, () => {
          const one = run(null);
          return run(options) / one;
        }).sort((a, b) => a - b);
        console.log(`${`${preset}, ${pages} pages: ${name}`.padEnd(64)}${(ratios[RUNS >> 1] ?? 0).toFixed(2)}`);
      }
    }
  }
}
