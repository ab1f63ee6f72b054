import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/apps/build-cli.ts'],
    testTimeout: 60_000,
    // Two workers: continuous integration has two cores, and the conformance and timing suites are processor-bound.
    maxWorkers: 2,
  },
});
