import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ConformanceRun, describeMismatch, openVectors } from '../../../../../traces/index.ts';

const VECTORS = fileURLToPath(new URL('../../../../vectors/mmio/arm-smmu', import.meta.url));

test.each([
  ['scenarios.linux-6.12', 403],
  ['scenarios.linux-7.3', 100],
  ['profiles', 13],
])('every register access and return of arm-smmu/%s', async (name, cases) => {
  const run = new ConformanceRun();
  const file = `${VECTORS}/${name}.jsonl.gz`;
  const result = await run.runLines(file, openVectors(file));
  expect(result.shown.flatMap((mismatch) => describeMismatch(mismatch))).toEqual([]);
  expect(result.cases).toBe(cases);
  expect(result.mismatches).toBe(0);
});
