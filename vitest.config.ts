import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** `npm run soak:properties`: the same tests with many more runs of every property. */
const soaking = process.env['npm_lifecycle_event'] === 'soak:properties';

/** Test files of ten seconds and more: one that begins last would run alone at the end. */
const LONG =
  /\/(?:page|sweep-slurm|readme|compare|figures-in-flight|figures-alone|conformance|catalogue|score|soak\/slice)\.test\.ts$/;

/** What takes long goes first: a fresh clone knows no times of an earlier run. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/apps/build-cli.ts'],
    setupFiles: soaking ? ['test/more-runs.ts'] : [],
    testTimeout: soaking ? 3_600_000 : 180_000,
    // Two workers: continuous integration has two cores, and the conformance and timing suites are processor-bound.
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    // The files of a worker share the modules that they load: loading them anew took a quarter of the time.
    isolate: false,
    // Only the tests go through vitest's module runner; see test/native.mjs.
    server: {
      deps: {
        external: [
          new RegExp(`^${import.meta.dirname}/(formats|emulator|devices|traces|apps|bench)/`),
          // The command line as one file, which run-cli.ts runs.
          /\/tablewalk-cli-[^/]*\/program\.mjs$/,
        ],
      },
    },
    execArgv: ['--import', './test/native.mjs'],
  },
});
