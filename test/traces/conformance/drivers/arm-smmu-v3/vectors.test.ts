import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ConformanceRun, describeMismatch, openVectors } from '../../../../../traces/index.ts';

const VECTORS = fileURLToPath(new URL('../../../../vectors/mmio/arm-smmu-v3', import.meta.url));

/** Every `step`-th line of a file; `tablewalk conform` plays them all. */
async function* sample(file: string, step: number): ReturnType<typeof openVectors> {
  let i = 0;
  for await (const line of openVectors(file)) if (i++ % step === 0) yield line;
}

test.each([
  ['scenarios', 'linux-6.12', 12],
  ['scenarios', 'linux-7.3', 12],
  ['entry_writer', 'linux-6.12', 5],
  ['entry_writer', 'linux-7.3', 5],
  ['tlbi_range', 'linux-6.12', 10],
  ['tlbi_range', 'linux-7.3', 10],
])('what arm-smmu-v3 writes, in order: %s of %s, one of %i', async (kind, kernel, step) => {
  const run = new ConformanceRun();
  const file = `${VECTORS}/${kind}.${kernel}.jsonl.gz`;
  const result = await run.runLines(file, sample(file, step));
  expect(result.shown.flatMap((mismatch) => describeMismatch(mismatch))).toEqual([]);
  expect(result.cases).toBeGreaterThan(30);
  expect(result.mismatches).toBe(0);
});
