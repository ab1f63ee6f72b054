import { defineConfig } from 'vitest/config';

/** `npm run soak:properties`: the same tests with many more runs of every property. */
const soaking = process.env['npm_lifecycle_event'] === 'soak:properties';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/apps/build-cli.ts'],
    setupFiles: soaking ? ['test/more-runs.ts'] : [],
    testTimeout: soaking ? 3_600_000 : 180_000,
    // Two workers: continuous integration has two cores, and the conformance and timing suites are processor-bound.
    maxWorkers: 2,
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
